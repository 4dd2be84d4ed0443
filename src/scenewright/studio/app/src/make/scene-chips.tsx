/** The scene as it was understood: a row of chips an object, each a choice that rewrites its word. */
import type { Entity, Motion, Parsed } from "../api/types";
import { t, type Key } from "../i18n";
import { Icon } from "../ui/icons";
import { change } from "./draft";
import { withColour, withMotion, withShape } from "./rewriting";
import { COLOURS, MOTIONS, SHAPES } from "./words";

interface ChipProps {
  label: string;
  value: string | null;
  /** Shown where nothing was said. */
  none: string;
  choices: readonly string[];
  name: (choice: string) => string;
  swatch?: boolean;
  onChoose: (choice: string) => void;
}

function Chip({ label, value, none, choices, name, swatch, onChoose }: ChipProps) {
  const known = value !== null && choices.includes(value);
  return (
    <span class={`chip ${value ? "" : "is-open"}`}>
      {swatch ? <span class={`swatch swatch-${value ?? "none"}`} aria-hidden="true" /> : null}
      <select
        aria-label={label}
        value={value ?? ""}
        onChange={(event) => {
          const choice = event.currentTarget.value;
          if (choice && choice !== value) onChoose(choice);
        }}
      >
        {value === null ? <option value="">{none}</option> : null}
        {value !== null && !known ? <option value={value}>{name(value)}</option> : null}
        {choices.map((choice) => (
          <option key={choice} value={choice}>
            {name(choice)}
          </option>
        ))}
      </select>
      <Icon name="chevron" size={12} />
    </span>
  );
}

const named = (kind: "colour" | "shape" | "motion") => (word: string) => t(`${kind}.${word}` as Key);

function EntityChips({ entity, n, prompt }: { entity: Entity; n: number; prompt: string }) {
  const motions: (Motion | null)[] = entity.motions.length ? entity.motions : [null];
  const rewrite = (next: string) => change({ prompt: next });
  return (
    <li class="entity">
      <Chip
        label={t("chip.colour", { n })}
        value={entity.colour}
        none={t("chip.any-colour")}
        choices={COLOURS}
        name={named("colour")}
        swatch
        onChoose={(colour) => rewrite(withColour(prompt, entity, colour))}
      />
      <Chip
        label={t("chip.shape", { n })}
        value={entity.shape}
        none={t("chip.any-shape")}
        choices={Object.keys(SHAPES)}
        name={named("shape")}
        onChoose={(shape) => rewrite(withShape(prompt, entity, shape))}
      />
      {motions.map((motion, at) => (
        <Chip
          key={at}
          label={t("chip.motion", { n })}
          value={motion?.kind ?? null}
          none={t("chip.no-motion")}
          choices={motion && motion.target !== null ? [] : Object.keys(MOTIONS)}
          name={named("motion")}
          onChoose={(kind) => rewrite(withMotion(prompt, entity, motion, kind))}
        />
      ))}
    </li>
  );
}

export function SceneChips({ parsed, prompt }: { parsed: Parsed; prompt: string }) {
  return (
    <div class="scene">
      {parsed.entities.length ? (
        <ul class="entities" aria-label={t("scene")}>
          {parsed.entities.map((entity, at) => (
            <EntityChips key={at} entity={entity} n={at + 1} prompt={prompt} />
          ))}
        </ul>
      ) : null}
      {parsed.unknown.length ? (
        <p class="scene-note">
          <Icon name="warn" size={16} />
          <span>
            {t("unknown-words")}{" "}
            {parsed.unknown.map((word, at) => (
              <span key={word}>
                {at ? ", " : ""}
                <mark>{word}</mark>
              </span>
            ))}
          </span>
        </p>
      ) : null}
      {parsed.notes.map((note) => (
        <p class="scene-note" key={note}>
          <Icon name="warn" size={16} />
          <span>{note}</span>
        </p>
      ))}
    </div>
  );
}
