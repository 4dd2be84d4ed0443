/** A new arena: settings that meet each other under prompts that people type. */
import { useState } from "preact/hooks";
import type { Contestant } from "../api/study-types";
import type { Model } from "../api/types";
import { number, t, tn } from "../i18n";
import { model, models } from "../state/models";
import { Button, IconButton } from "../ui/button";
import { Field, NumberInput, Wrong } from "../ui/field";
import { useCreating } from "./creating";
import { SharedBox } from "./running-part";
import { FormHead } from "./study-form";

const FIELDS = ["name", "title", "contestants", "questions"];
const MOST = 8;

interface Row {
  label: string;
  model: string;
  steps: number | "";
  guidance: number | "";
  shift: number | "";
  fast: boolean;
}

const plain = (of: Model, label: string): Row => ({ label, model: of.id, steps: "", guidance: "", shift: "", fast: false });

function usable(): Model[] {
  return (models.value ?? []).filter((one) => one.fits !== false && !one.needs_sound);
}

function usual(): Model | null {
  return usable().find((one) => one.default) ?? usable()[0] ?? null;
}

interface Suggestion {
  name: string;
  rows: Row[];
}

/** Contests that people ask for, of what this server has. */
function suggestions(): Suggestion[] {
  const of = usual();
  if (!of) return [];
  const found: Suggestion[] = [];
  const steps = of.settings?.steps;
  if (steps && of.takes.includes("steps")) {
    const values = [...new Set([Math.max(1, Math.round(steps / 6)), Math.max(1, Math.round(steps / 2)), steps])];
    found.push({ name: t("suggest.steps"), rows: values.map((n) => ({ ...plain(of, tn("model.steps", n)), steps: n })) });
  }
  const guidance = of.settings?.guidance_scale;
  if (guidance && of.takes.includes("guidance_scale")) {
    const values = [...new Set([1, guidance, guidance * 2])];
    found.push({
      name: t("suggest.guidance"),
      rows: values.map((n) => ({ ...plain(of, t("setting.guidance", { n: number(n) })), guidance: n })),
    });
  }
  if (of.fast) {
    const rows = [{ ...plain(of, t("setting.fast")), fast: true }, plain(of, t("setting.not-fast"))];
    found.push({ name: t("suggest.fast"), rows });
  }
  if (usable().length > 1) found.push({ name: t("suggest.models"), rows: usable().slice(0, MOST).map((one) => plain(one, one.id)) });
  return found;
}

function contestant(row: Row): Contestant {
  const of = model(row.model);
  const takes = (setting: string) => !row.fast && of?.takes.includes(setting) !== false;
  return {
    model: row.model,
    ...(row.steps !== "" && takes("steps") ? { num_inference_steps: row.steps } : {}),
    ...(row.guidance !== "" && takes("guidance_scale") ? { guidance_scale: row.guidance } : {}),
    ...(row.shift !== "" && takes("shift") ? { flow_shift: row.shift } : {}),
    ...(row.fast && of?.fast ? { fast: true } : {}),
  };
}

function One(props: { row: Row; at: number; few: boolean; onChange: (row: Row) => void; onRemove: () => void }) {
  const { row, at } = props;
  const change = (changes: Partial<Row>) => props.onChange({ ...row, ...changes });
  const of = model(row.model);
  const takes = (setting: string) => !row.fast && (of?.takes.includes(setting) ?? false);
  const own = (value: number | undefined) => (value === undefined ? "" : number(value));
  return (
    <li>
      <div class="contestant" role="group" aria-label={t("contestant.n", { n: at + 1 })}>
        <header>
          <span class="contestant-n" aria-hidden="true">
            {at + 1}
          </span>
          <Field label={t("contestant.name")}>
            <input type="text" maxLength={80} value={row.label} onInput={(event) => change({ label: event.currentTarget.value })} />
          </Field>
          {props.few ? null : <IconButton icon="trash" label={t("contestant.remove", { name: row.label })} onClick={props.onRemove} />}
        </header>
        <div class="grid-fields">
          <Field label={t("model")}>
            <select value={row.model} onChange={(event) => change({ model: event.currentTarget.value })}>
              {usable().map((one) => (
                <option key={one.id} value={one.id}>
                  {one.id}
                </option>
              ))}
            </select>
          </Field>
          {takes("steps") ? (
            <Field label={t("steps")}>
              <NumberInput
                value={row.steps}
                min={1}
                max={1000}
                step={1}
                placeholder={own(of?.settings?.steps)}
                onValue={(steps) => change({ steps })}
              />
            </Field>
          ) : null}
          {takes("guidance_scale") ? (
            <Field label={t("guidance")}>
              <NumberInput
                value={row.guidance}
                min={0}
                max={100}
                step="any"
                placeholder={own(of?.settings?.guidance_scale)}
                onValue={(guidance) => change({ guidance })}
              />
            </Field>
          ) : null}
          {takes("shift") ? (
            <Field label={t("shift")}>
              <NumberInput
                value={row.shift}
                min={0}
                step="any"
                placeholder={own(of?.settings?.shift)}
                onValue={(shift) => change({ shift })}
              />
            </Field>
          ) : null}
        </div>
        {of?.fast ? (
          <label class="check">
            <input type="checkbox" checked={row.fast} onChange={(event) => change({ fast: event.currentTarget.checked })} />
            <span>{t("contestant.fast")}</span>
          </label>
        ) : null}
      </div>
    </li>
  );
}

export function ArenaForm() {
  const [name, setName] = useState("");
  const [rows, setRows] = useState<Row[] | null>(null);
  const [text, setText] = useState(t("question.compare.text"));
  const [ties, setTies] = useState(true);
  const [shared, setShared] = useState(false);
  const { busy, create, object, error, rest } = useCreating(FIELDS);
  const of = usual();
  const contests = suggestions();
  const now = rows ?? contests[0]?.rows ?? (of ? [plain(of, "A"), plain(of, "B")] : []);

  const start = () => {
    if (!name.trim()) return object("name", t("study.name.needed"));
    if (now.some((row) => !row.label.trim())) return object("contestants", t("contestant.unnamed"));
    const labels = now.map((row) => row.label.trim());
    if (new Set(labels).size < labels.length) return object("contestants", t("systems.twice"));
    const settings = now.map((row) => JSON.stringify(contestant(row)));
    if (new Set(settings).size < settings.length) return object("contestants", t("contestant.same"));
    void create({
      kind: "arena",
      name: name.trim(),
      title: t("study.title.usual"),
      contestants: Object.fromEntries(now.map((row) => [row.label.trim(), contestant(row)])),
      questions: [{ kind: "compare", text: text.trim() || t("question.compare.text"), ties, scale: 5, choices: [], right: {} }],
      shared,
    });
  };

  return (
    <div class="studies">
      <FormHead kind="arena" />
      <form
        class="study-form"
        aria-label={t("arena.new")}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          start();
        }}
      >
        <div class="form-part">
          <Field label={t("study.name")} error={error("name") ?? error("title")}>
            <input
              type="text"
              maxLength={200}
              value={name}
              placeholder={t("arena.name.example")}
              onInput={(event) => setName(event.currentTarget.value)}
            />
          </Field>
        </div>
        <fieldset class="form-part">
          <legend>{t("contestants")}</legend>
          <p class="hint">{t("contestants.hint")}</p>
          {contests.length ? (
            <div class="suggestions">
              <span class="quiet">{t("suggest")}</span>
              {contests.map((contest) => (
                <Button key={contest.name} onClick={() => setRows(contest.rows)}>
                  {contest.name}
                </Button>
              ))}
            </div>
          ) : null}
          <ul class="contestants">
            {now.map((row, at) => (
              <One
                key={at}
                row={row}
                at={at}
                few={now.length <= 2}
                onChange={(next) => setRows(now.map((other, i) => (i === at ? next : other)))}
                onRemove={() => setRows(now.filter((_, i) => i !== at))}
              />
            ))}
          </ul>
          {of && now.length < MOST ? (
            <Button icon="plus" onClick={() => setRows([...now, plain(of, "")])}>
              {t("contestant.add")}
            </Button>
          ) : null}
          <Wrong text={error("contestants")} />
        </fieldset>
        <div class="form-part">
          <Field label={t("question")} error={error("questions")}>
            <input type="text" maxLength={500} value={text} onInput={(event) => setText(event.currentTarget.value)} />
          </Field>
          <label class="check">
            <input type="checkbox" checked={ties} onChange={(event) => setTies(event.currentTarget.checked)} />
            <span>{t("question.ties")}</span>
          </label>
          <SharedBox shared={shared} onChange={setShared} />
        </div>
        <Wrong text={rest} />
        <Button kind="main" icon="arena" type="submit" disabled={busy} aria-busy={busy}>
          {t("arena.make")}
        </Button>
      </form>
    </div>
  );
}
