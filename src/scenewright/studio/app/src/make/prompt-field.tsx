/** The prompt, with the words that the model does not know underlined, and the scene as chips below. */
import { useRef } from "preact/hooks";
import type { Span } from "../api/types";
import { t } from "../i18n";
import { Wrong } from "../ui/field";
import { change, draft, objection } from "./draft";
import { SceneChips } from "./scene-chips";
import { understood } from "./understanding";

/** The prompt cut at its unknown words. */
function cut(prompt: string, unknown: readonly Span[]): { text: string; odd: boolean }[] {
  const pieces: { text: string; odd: boolean }[] = [];
  let at = 0;
  for (const { start, end } of unknown) {
    pieces.push({ text: prompt.slice(at, start), odd: false }, { text: prompt.slice(start, end), odd: true });
    at = end;
  }
  return [...pieces, { text: prompt.slice(at), odd: false }];
}

export function PromptField() {
  const back = useRef<HTMLDivElement>(null);
  const { prompt } = draft.value;
  const parsed = understood.value?.parsed ?? null;
  const fresh = understood.value?.prompt === prompt;
  const wrong = objection("prompt");
  return (
    <div class={`field prompt-field ${wrong ? "is-bad" : ""}`}>
      <div class="field-head">
        <label for="prompt">{t("prompt")}</label>
      </div>
      <div class="prompt-box">
        <div class="prompt-behind" ref={back} aria-hidden="true">
          {cut(prompt, fresh && parsed ? parsed.unknown_places : []).map((piece, at) => (piece.odd ? <mark key={at}>{piece.text}</mark> : piece.text))}
          {"\n"}
        </div>
        <textarea
          id="prompt"
          rows={3}
          value={prompt}
          placeholder={t("prompt.placeholder")}
          aria-describedby={wrong ? "prompt-error understood" : "understood"}
          aria-invalid={wrong ? true : undefined}
          spellcheck={false}
          onInput={(event) => change({ prompt: event.currentTarget.value })}
          onScroll={(event) => {
            if (back.current) back.current.scrollTop = event.currentTarget.scrollTop;
          }}
        />
      </div>
      <Wrong id="prompt-error" text={wrong} />
      <div id="understood" aria-busy={!fresh}>
        {parsed ? <SceneChips parsed={parsed} /> : null}
      </div>
    </div>
  );
}
