/** Light, dark, or as the system is. */
import { signal } from "@preact/signals";
import { keep, kept } from "../state/keeping";

export type Theme = "auto" | "light" | "dark";

const first = kept("theme");
export const theme = signal<Theme>(first === "light" || first === "dark" ? first : "auto");

export function wear(next: Theme): void {
  theme.value = next;
  keep("theme", next === "auto" ? null : next);
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
}

export function nextTheme(): void {
  wear(theme.value === "auto" ? "light" : theme.value === "light" ? "dark" : "auto");
}
