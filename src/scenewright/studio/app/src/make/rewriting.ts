/** What a chip does to the prompt: one word of one object's span becomes another. */
import type { Entity, Motion } from "../api/types";
import { COLOUR_WORDS, MOTIONS, SHAPE_WORDS, SHAPES } from "./words";

function splice(text: string, start: number, end: number, put: string): string {
  return text.slice(0, start) + put + text.slice(end);
}

function find(words: readonly string[], within: string): { start: number; end: number; word: string } | null {
  const match = new RegExp(`\\b(?:${words.join("|")})s?\\b`, "i").exec(within);
  return match ? { start: match.index, end: match.index + match[0].length, word: match[0] } : null;
}

function cased(word: string, like: string): string {
  return like[0] && like[0] !== like[0].toLowerCase() ? word[0]!.toUpperCase() + word.slice(1) : word;
}

/** "a orange ball" -> "an orange ball". */
function withArticle(phrase: string): string {
  return phrase.replace(/^(an?)(\s+)(\w)/i, (_, article: string, space: string, first: string) => {
    const right = /[aeiou]/i.test(first) ? "an" : "a";
    return cased(right, article) + space + first;
  });
}

function inSpan(prompt: string, entity: Entity, edit: (phrase: string) => string): string {
  const phrase = prompt.slice(entity.start, entity.end);
  return splice(prompt, entity.start, entity.end, withArticle(edit(phrase)));
}

export function withColour(prompt: string, entity: Entity, colour: string): string {
  return inSpan(prompt, entity, (phrase) => {
    const old = find(COLOUR_WORDS, phrase);
    if (old) return splice(phrase, old.start, old.end, cased(colour, old.word));
    const noun = find(SHAPE_WORDS, phrase);
    return noun ? splice(phrase, noun.start, noun.start, `${colour} `) : `${colour} ${phrase}`;
  });
}

export function withShape(prompt: string, entity: Entity, shape: string): string {
  const names = SHAPES[shape];
  if (!names) return prompt;
  return inSpan(prompt, entity, (phrase) => {
    const old = find(SHAPE_WORDS, phrase);
    if (!old) return `${phrase} ${names[0]}`;
    const many = /s$/i.test(old.word) && old.word.toLowerCase() !== "torus";
    return splice(phrase, old.start, old.end, cased(many ? names[1] : names[0], old.word));
  });
}

function isPlural(prompt: string, entity: Entity): boolean {
  const noun = find(SHAPE_WORDS, prompt.slice(entity.start, entity.end));
  return noun !== null && /s$/i.test(noun.word) && noun.word.toLowerCase() !== "torus";
}

/** Which form a written verb has: 0 "roll", 1 "rolls", 2 "rolling". */
function form(written: string): 0 | 1 | 2 {
  const first = written.trim().split(/\s+/)[0]!.toLowerCase();
  if (first.endsWith("ing")) return 2;
  return first.endsWith("s") ? 1 : 0;
}

/** `motion`: the one that becomes another; null adds one behind the object. */
export function withMotion(prompt: string, entity: Entity, motion: Motion | null, kind: string): string {
  const forms = MOTIONS[kind];
  if (!forms) return prompt;
  if (motion && motion.start !== null && motion.end !== null) {
    const old = prompt.slice(motion.start, motion.end);
    const direction = / (?:along|up and down|up|down|around|away|bigger|larger|smaller)$/i;
    const verb = old.replace(direction, "").split(/\s+/)[0]!;
    const tail = old.slice(verb.length).replace(direction, "");
    return splice(prompt, motion.start, motion.end, cased(forms[form(verb)], old) + tail);
  }
  return splice(prompt, entity.end, entity.end, ` ${forms[isPlural(prompt, entity) ? 0 : 1]}`);
}
