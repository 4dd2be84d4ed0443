/** How the server understands the prompt, asked a moment after each change of it. */
import { effect, signal } from "@preact/signals";
import type { Estimate, Parsed } from "../api/types";
import { estimate, parsePrompt } from "../api/videos";
import { ApiError } from "../api/http";
import { onChange } from "../state/videos";
import { change, chosen, draft, fields, objections, pictureFields, SHOWN } from "./draft";

export const understood = signal<{ prompt: string; parsed: Parsed } | null>(null);
/** Seconds, memory and disk for one video; "asking" before the first answer, null where there is no answer. */
export const estimated = signal<Estimate | null | "asking">("asking");

async function understand(): Promise<typeof understood.value> {
  const prompt = draft.peek().prompt;
  const of = chosen.peek();
  return prompt.trim() && of ? { prompt, parsed: await parsePrompt(prompt, of.id) } : null;
}

/** Changes the prompt by what was understood of it; of the very prompt that stands there, should it be newer. */
export async function rewrite(edit: (prompt: string, parsed: Parsed) => string): Promise<void> {
  if (understood.peek()?.prompt !== draft.peek().prompt) understood.value = await understand();
  const now = understood.peek();
  if (now) change({ prompt: edit(now.prompt, now.parsed) });
}

/** Calls `ask` when its input has rested for a while; only the last answer counts. */
function settled<T>(rest: number, ask: () => Promise<T>, then: (answer: T) => void, otherwise: (error: unknown) => void) {
  let timer: number | undefined;
  let turn = 0;
  return () => {
    window.clearTimeout(timer);
    const mine = ++turn;
    timer = window.setTimeout(() => {
      ask().then(
        (answer) => mine === turn && then(answer),
        (error: unknown) => mine === turn && otherwise(error),
      );
    }, rest);
  };
}

export function followDraft(): () => void {
  const parseSoon = settled(
    250,
    understand,
    (answer) => (understood.value = answer),
    () => (understood.value = null),
  );
  const estimateSoon = settled(
    400,
    async () => {
      const now = draft.peek();
      if (!now.prompt.trim() || !chosen.peek()) return null;
      return estimate({ ...fields(now, now.seed), ...pictureFields().fields });
    },
    (answer) => {
      estimated.value = answer;
      objections.value = {};
    },
    (error) => {
      estimated.value = null;
      // An estimate is refused for what the video would be refused for.
      const param = error instanceof ApiError ? error.param : null;
      if (param && SHOWN.includes(param)) objections.value = { [param]: (error as ApiError).message };
    },
  );
  let last = "";
  // What was made since tells more of this machine, and what waits has changed.
  const unfollow = onChange((now, before) => now.status !== before?.status && estimateSoon());
  const stop = effect(() => {
    const { prompt, ...rest } = draft.value;
    const about = `${chosen.value?.id} ${prompt}`;
    if (about !== last) parseSoon();
    last = about;
    void rest;
    estimateSoon();
  });
  return () => {
    stop();
    unfollow();
  };
}
