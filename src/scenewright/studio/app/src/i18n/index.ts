/** Strings in dictionaries: which language is spoken, and how a string with places is filled. */
import { computed, signal } from "@preact/signals";
import { keep, kept } from "../state/keeping";
import de from "./de.json";
import en from "./en.json";

export type Key = keyof typeof en;
export type Language = "en" | "de";
type Values = Record<string, string | number>;

const dictionaries: Record<Language, Record<Key, string>> = { en, de };

function preferred(): Language {
  const chosen = kept("language");
  if (chosen === "en" || chosen === "de") return chosen;
  return navigator.language.toLowerCase().startsWith("de") ? "de" : "en";
}

export const language = signal<Language>(preferred());

export function speak(next: Language): void {
  language.value = next;
  keep("language", next);
}

/** The string of `key` in the language spoken, its places like {name} filled. */
export function t(key: Key, values: Values = {}): string {
  return dictionaries[language.value][key].replace(/\{(\w+)\}/g, (place, name: string) =>
    name in values ? String(values[name]) : place,
  );
}

type Counted = { [K in Key]: K extends `${infer Stem}.one` ? Stem : never }[Key];

/** As {@link t}, with the form of the string that goes with the number `n`. */
export function tn(stem: Counted, n: number, values: Values = {}): string {
  const form = new Intl.PluralRules(language.value).select(n) === "one" ? "one" : "other";
  return t(`${stem}.${form}` as Key, { n: number(n), ...values });
}

const plain = computed(() => new Intl.NumberFormat(language.value, { maximumFractionDigits: 2 }));

export function number(value: number): string {
  return plain.value.format(value);
}

/** With two places, and a minus as wide as the plus. */
export function fixed(value: number, sign = false): string {
  const digits = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  const format = new Intl.NumberFormat(language.value, { ...digits, signDisplay: sign ? "exceptZero" : "auto" });
  return format.format(Math.round(value * 100) / 100 || 0).replace("-", "−");
}

/** "about 3 s" without the about: seconds as a person says them. */
export function duration(seconds: number): string {
  const whole = Math.max(1, Math.round(seconds));
  if (seconds < 1) return t("time.moment");
  if (whole < 60) return t("time.seconds", { s: whole });
  if (whole < 3600) return t("time.minutes", { m: Math.floor(whole / 60), s: whole % 60 });
  return t("time.hours", { h: Math.floor(whole / 3600), m: Math.round((whole % 3600) / 60) });
}

export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  const digits = at === 0 || value >= 100 ? 0 : 1;
  return `${new Intl.NumberFormat(language.value, { maximumFractionDigits: digits }).format(value)} ${units[at]}`;
}

export function moment(epoch: number): string {
  return new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "short" }).format(epoch * 1000);
}
