/** A control with its label, a hint and what is wrong with it. */
import type { ComponentChildren, VNode } from "preact";
import { cloneElement } from "preact";
import { useId } from "preact/hooks";

interface FieldProps {
  label: string;
  hint?: ComponentChildren;
  error?: string | null | undefined;
  /** What stands at the right end of the label's line. */
  aside?: ComponentChildren;
  children: VNode<Record<string, unknown>>;
}

export function Field({ label, hint, error, aside, children }: FieldProps) {
  const id = useId();
  const described = [hint ? `${id}-hint` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ");
  return (
    <div class={`field ${error ? "is-bad" : ""}`}>
      <div class="field-head">
        <label for={id}>{label}</label>
        {aside}
      </div>
      {cloneElement(children, {
        id,
        ...(described ? { "aria-describedby": described } : {}),
        ...(error ? { "aria-invalid": true } : {}),
      })}
      {hint ? (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      ) : null}
      <Wrong id={`${id}-error`} text={error} />
    </div>
  );
}

export function Wrong({ id, text }: { id?: string; text: string | null | undefined }) {
  if (!text) return null;
  return (
    <p class="wrong" id={id} role="alert">
      {text}
    </p>
  );
}

interface NumberProps {
  value: number | "";
  onValue: (value: number | "") => void;
  min?: number;
  max?: number;
  step?: number | "any";
  placeholder?: string;
  [attribute: string]: unknown;
}

/** A number, or "" where the user has typed none. */
export function NumberInput({ value, onValue, ...rest }: NumberProps) {
  return (
    <input
      type="number"
      inputMode="decimal"
      value={value}
      onInput={(event) => {
        const typed = event.currentTarget.value;
        onValue(typed === "" ? "" : Number(typed));
      }}
      {...rest}
    />
  );
}

interface Choice<T extends string> {
  value: T;
  label: string;
}

/** One of a few: a row of radio buttons that looks like one control. */
export function Segments<T extends string>(props: {
  label: string;
  value: T | null;
  choices: Choice<T>[];
  onValue: (value: T) => void;
}) {
  const name = useId();
  return (
    <fieldset class="segments">
      <legend class="sr-only">{props.label}</legend>
      {props.choices.map((choice) => (
        <label key={choice.value} class="segment">
          <input
            type="radio"
            name={name}
            value={choice.value}
            checked={choice.value === props.value}
            onChange={() => props.onValue(choice.value)}
          />
          <span>{choice.label}</span>
        </label>
      ))}
    </fieldset>
  );
}
