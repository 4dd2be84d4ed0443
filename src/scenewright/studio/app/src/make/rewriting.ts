/** What a chip does to the prompt: the words of one attribute of one object become others. */
import type { Entity, Motion, Span } from "../api/types";
import { MOTIONS, SHAPES } from "./words";

function splice(text: string, { start, end }: Span, put: string): string {
  return text.slice(0, start) + put + text.slice(end);
}

function cased(word: string, like: string): string {
  return like[0] && like[0] !== like[0].toLowerCase() ? word[0]!.toUpperCase() + word.slice(1) : word;
}

/** "a orange ball" -> "an orange ball", for the article that stands right before `at`. */
function withArticle(text: string, at: number): string {
  const before = /\b(an?)(\s+)$/i.exec(text.slice(0, at));
  const first = text[at];
  if (!before || !first) return text;
  const right = /[aeiou]/i.test(first) ? "an" : "a";
  const span = { start: before.index, end: before.index + before[1]!.length };
  return splice(text, span, cased(right, before[1]!));
}

export function withColour(prompt: string, entity: Entity, colour: string): string {
  const said = entity.words.colour;
  if (said) return withArticle(splice(prompt, said, cased(colour, prompt.slice(said.start, said.end))), said.start);
  const at = entity.words.shape?.start ?? entity.start;
  return withArticle(splice(prompt, { start: at, end: at }, `${colour} `), at);
}

export function withShape(prompt: string, entity: Entity, shape: string): string {
  const names = SHAPES[shape];
  if (!names) return prompt;
  const name = names[entity.count > 1 ? 1 : 0];
  const said = entity.words.shape;
  if (!said) return splice(prompt, { start: entity.end, end: entity.end }, ` ${name}`);
  return withArticle(splice(prompt, said, cased(name, prompt.slice(said.start, said.end))), said.start);
}

/** Which form a written verb has: 0 "roll", 1 "rolls", 2 "rolling". */
function form(verb: string): 0 | 1 | 2 {
  if (/ing$/i.test(verb)) return 2;
  return /s$/i.test(verb) ? 1 : 0;
}

/** `motion`: the one that becomes another; null adds one behind the object. */
export function withMotion(prompt: string, entity: Entity, motion: Motion | null, kind: string): string {
  const forms = MOTIONS[kind];
  if (!forms) return prompt;
  if (!motion?.place) {
    const added = ` ${forms[entity.count > 1 ? 0 : 1]}`;
    return splice(prompt, { start: entity.end, end: entity.end }, added);
  }
  const old = prompt.slice(motion.place.start, motion.place.end);
  return splice(prompt, motion.place, cased(forms[form(old.split(/\s+/)[0]!)], old));
}
