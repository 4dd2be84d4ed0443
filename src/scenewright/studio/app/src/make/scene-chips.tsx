/** The scene as it was understood: a row of chips an object, each a choice that rewrites its word. */
import type { Entity, Motion, Parsed } from "../api/types";
import { t, type Key } from "../i18n";
import { Icon } from "../ui/icons";
import { complain } from "../state/saying";
import { withColour, withMotion, withShape } from "./rewriting";
import { rewrite } from "./understanding";
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

function EntityChips({ entity, at }: { entity: Entity; at: number }) {
  const n = at + 1;
  const motions: (Motion | null)[] = entity.motions.length ? entity.motions : [null];
  const edit = (change: (prompt: string, entity: Entity) => string) =>
    void rewrite((prompt, parsed) => {
      const now = parsed.entities[at];
      return now ? change(prompt, now) : prompt;
    }).catch(complain);
  return (
    <li class="entity">
      <Chip
        label={t("chip.colour", { n })}
        value={entity.colour}
        none={t("chip.any-colour")}
        choices={COLOURS}
        name={(word) => t(`colour.${word}` as Key)}
        swatch
        onChoose={(colour) => edit((prompt, now) => withColour(prompt, now, colour))}
      />
      <Chip
        label={t("chip.shape", { n })}
        value={entity.shape}
        none={t("chip.any-shape")}
        choices={Object.keys(SHAPES)}
        name={(word) => t(`shape.${word}` as Key)}
        onChoose={(shape) => edit((prompt, now) => withShape(prompt, now, shape))}
      />
      {motions.map((motion, m) => (
        <Chip
          key={m}
          label={t("chip.motion", { n })}
          value={motion?.kind ?? null}
          none={t("chip.no-motion")}
          choices={motion && motion.target !== null ? [] : Object.keys(MOTIONS)}
          name={(word) => t(`motion.${word}` as Key)}
          onChoose={(kind) => edit((prompt, now) => withMotion(prompt, now, now.motions[m] ?? null, kind))}
        />
      ))}
    </li>
  );
}

export function SceneChips({ parsed }: { parsed: Parsed }) {
  return (
    <div class="scene">
      {parsed.entities.length ? (
        <ul class="entities" aria-label={t("scene")}>
          {parsed.entities.map((entity, at) => (
            <EntityChips key={at} entity={entity} at={at} />
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
