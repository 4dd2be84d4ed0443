/** How the server understands the prompt, asked a moment after each change of it. */
import { effect, signal } from "@preact/signals";
import type { Estimate, Parsed } from "../api/types";
import { estimate, parsePrompt } from "../api/videos";
import { draft, fields } from "./draft";

export const understood = signal<{ prompt: string; parsed: Parsed } | null>(null);
/** Seconds, memory and disk for one video; "asking" before the first answer, null where there is no answer. */
export const estimated = signal<Estimate | null | "asking">("asking");

/** Calls `ask` when its input has rested for a while; only the last answer counts. */
function settled<T>(rest: number, ask: () => Promise<T>, then: (answer: T) => void, otherwise: () => void) {
  let timer: number | undefined;
  let turn = 0;
  return () => {
    window.clearTimeout(timer);
    const mine = ++turn;
    timer = window.setTimeout(() => {
      ask().then(
        (answer) => mine === turn && then(answer),
        () => mine === turn && otherwise(),
      );
    }, rest);
  };
}

export function followDraft(): () => void {
  const parseSoon = settled(
    250,
    async () => {
      const prompt = draft.peek().prompt;
      return prompt.trim() ? { prompt, parsed: await parsePrompt(prompt) } : null;
    },
    (answer) => (understood.value = answer),
    () => (understood.value = null),
  );
  const estimateSoon = settled(
    400,
    async () => (draft.peek().prompt.trim() ? estimate(fields(draft.peek(), draft.peek().seed)) : null),
    (answer) => (estimated.value = answer),
    () => (estimated.value = null),
  );
  let last = "";
  return effect(() => {
    const { prompt, ...rest } = draft.value;
    if (prompt !== last || understood.peek() === null) parseSoon();
    last = prompt;
    void rest;
    estimateSoon();
  });
}
