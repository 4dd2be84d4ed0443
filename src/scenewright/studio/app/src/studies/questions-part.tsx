/** The part of the form with the questions that raters are asked. */
import { useState } from "preact/hooks";
import type { Question, QuestionKind } from "../api/study-types";
import { t } from "../i18n";
import { Button, IconButton } from "../ui/button";
import { Field, NumberInput } from "../ui/field";

const KINDS: QuestionKind[] = ["compare", "rank", "rate", "answer"];

export function newQuestion(kind: QuestionKind): Question {
  return { kind, text: t(`question.${kind}.text`), ties: true, scale: 5, choices: kind === "answer" ? [t("yes"), t("no")] : [], right: {} };
}

/** "yes, no" as typed; what is read of it is the question's. */
function ChoicesField({ question, onChange }: { question: Question; onChange: (choices: string[]) => void }) {
  const [text, setText] = useState(question.choices.join(", "));
  return (
    <Field label={t("question.choices")} hint={t("question.choices.hint")}>
      <input
        type="text"
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          onChange([...new Set(event.currentTarget.value.split(",").map((one) => one.trim()).filter(Boolean))]);
        }}
      />
    </Field>
  );
}

function One(props: { question: Question; at: number; only: boolean; error: string | null; onChange: (question: Question) => void; onRemove: () => void }) {
  const { question, at, onChange } = props;
  const change = (changes: Partial<Question>) => onChange({ ...question, ...changes });
  return (
    <li>
      <div class="question" role="group" aria-label={t("question.n", { n: at + 1 })}>
        <div class="question-fields">
          <Field label={t("question.kind")} hint={t(`question.${question.kind}.hint`)}>
            <select
              value={question.kind}
              onChange={(event) => {
                const kind = event.currentTarget.value as QuestionKind;
                const own = question.text === t(`question.${question.kind}.text`);
                onChange({ ...newQuestion(kind), ...(own ? {} : { text: question.text }) });
              }}
            >
              {KINDS.map((kind) => (
                <option key={kind} value={kind}>
                  {t(`question.${kind}`)}
                </option>
              ))}
            </select>
          </Field>
          <Field label={t("question")} error={props.error}>
            <input
              type="text"
              maxLength={500}
              value={question.text}
              onInput={(event) => change({ text: event.currentTarget.value })}
            />
          </Field>
          {question.kind === "rate" ? (
            <Field label={t("question.scale")}>
              <NumberInput
                value={question.scale}
                min={2}
                max={11}
                step={1}
                onValue={(value) => change({ scale: value === "" ? 5 : value })}
              />
            </Field>
          ) : null}
          {question.kind === "answer" ? <ChoicesField question={question} onChange={(choices) => change({ choices, right: {} })} /> : null}
        </div>
        {question.kind === "compare" ? (
          <label class="check">
            <input type="checkbox" checked={question.ties} onChange={(event) => change({ ties: event.currentTarget.checked })} />
            <span>{t("question.ties")}</span>
          </label>
        ) : null}
        {props.only ? null : <IconButton icon="trash" label={t("question.remove", { n: at + 1 })} onClick={props.onRemove} />}
      </div>
    </li>
  );
}

export function QuestionsPart(props: { questions: Question[]; error: (at: number) => string | null; onChange: (questions: Question[]) => void }) {
  const { questions, onChange } = props;
  return (
    <fieldset class="form-part">
      <legend>{t("questions")}</legend>
      <ul class="questions">
        {questions.map((question, at) => (
          <One
            key={at}
            question={question}
            at={at}
            only={questions.length === 1}
            error={props.error(at)}
            onChange={(next) => onChange(questions.map((other, i) => (i === at ? next : other)))}
            onRemove={() => onChange(questions.filter((_, i) => i !== at))}
          />
        ))}
      </ul>
      <Button icon="plus" onClick={() => onChange([...questions, newQuestion("rate")])}>
        {t("question.add")}
      </Button>
    </fieldset>
  );
}
