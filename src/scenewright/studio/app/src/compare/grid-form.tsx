/** A new grid: one prompt, one or two settings that vary, and a run for every pair of values. */
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api/http";
import { createVideo, getVideo } from "../api/videos";
import { t, tn } from "../i18n";
import { draft, fields, pictureFields, takeVideo } from "../make/draft";
import { newBatch } from "../make/submitting";
import { go } from "../router";
import { announce } from "../state/saying";
import { put, video as videoOf } from "../state/videos";
import { models } from "../state/models";
import { Button } from "../ui/button";
import { Field, Wrong } from "../ui/field";
import { AXES, MOST_VALUES, readValues, type Axis } from "./axes";

type AxisOrNone = Axis | "none";

function usual(axis: AxisOrNone): string {
  const now = draft.peek();
  if (axis === "seed") return [0, 1, 2, 3].map((by) => now.seed + by).join(", ");
  if (axis === "guidance_scale") return "1, 3.5, 7";
  if (axis === "num_inference_steps") return "4, 12, 24";
  if (axis === "model") return (models.peek() ?? []).filter((one) => one.fits !== false && !one.needs_sound).map((one) => one.id).slice(0, 3).join(", ");
  return "";
}

function AxisField(props: {
  label: string;
  axis: AxisOrNone;
  text: string;
  others: AxisOrNone;
  optional: boolean;
  error: string | null;
  onChange: (axis: AxisOrNone, text: string) => void;
}) {
  return (
    <div class="axis">
      <Field label={props.label}>
        <select
          value={props.axis}
          onChange={(event) => {
            const axis = event.currentTarget.value as AxisOrNone;
            props.onChange(axis, usual(axis));
          }}
        >
          {props.optional ? <option value="none">{t("axis.none")}</option> : null}
          {AXES.filter((axis) => axis !== props.others).map((axis) => (
            <option key={axis} value={axis}>
              {t(`axis.${axis}`)}
            </option>
          ))}
        </select>
      </Field>
      {props.axis === "none" ? null : (
        <Field label={t("grid.values", { axis: t(`axis.${props.axis}`) })} hint={t("grid.values.hint")} error={props.error}>
          <input type="text" value={props.text} onInput={(event) => props.onChange(props.axis, event.currentTarget.value)} />
        </Field>
      )}
    </div>
  );
}

export function GridForm({ from }: { from: string | null }) {
  const [prompt, setPrompt] = useState(draft.peek().prompt);
  const [columns, setColumns] = useState<[AxisOrNone, string]>(["seed", usual("seed")]);
  const [rows, setRows] = useState<[AxisOrNone, string]>(["guidance_scale", usual("guidance_scale")]);
  const [wrong, setWrong] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (!from) return;
    const known = videoOf(from);
    void (known ? Promise.resolve(known) : getVideo(from)).then((video) => {
      takeVideo(video);
      setPrompt(video.prompt);
      setColumns((now) => [now[0], usual(now[0])]);
    });
  }, [from]);

  const read = ([axis, text]: [AxisOrNone, string]) => (axis === "none" ? [null] : readValues(axis, text));
  const across = read(columns);
  const down = read(rows);
  const many = (across?.length ?? 0) * (down?.length ?? 0);
  const bad = t("grid.values.bad", { most: MOST_VALUES });

  const start = async () => {
    if (!prompt.trim()) return setWrong(t("prompt.needed"));
    if (!across || !down) return;
    setBusy(true);
    setWrong(null);
    const batch = newBatch("grid");
    const given = pictureFields();
    const base = { ...fields({ ...draft.peek(), prompt }, draft.peek().seed), ...given.fields, batch };
    try {
      for (const row of down)
        for (const column of across) {
          const own: Record<string, unknown> = { ...base };
          if (columns[0] !== "none" && column !== null) own[columns[0]] = column;
          if (rows[0] !== "none" && row !== null) own[rows[0]] = row;
          put(await createVideo({ fields: own as typeof base, files: given.files }));
        }
      announce(tn("said.queued", many));
      go("compare", ["grid", batch]);
    } catch (error) {
      setWrong(error instanceof ApiError ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <form
      class="grid-form"
      aria-label={t("grid.new")}
      onSubmit={(event) => {
        event.preventDefault();
        void start();
      }}
    >
      <Field label={t("prompt")} hint={t("grid.base")}>
        <textarea rows={2} value={prompt} onInput={(event) => setPrompt(event.currentTarget.value)} />
      </Field>
      <div class="axes">
        <AxisField
          label={t("grid.columns")}
          axis={columns[0]}
          text={columns[1]}
          others={rows[0]}
          optional={false}
          error={across ? null : bad}
          onChange={(axis, text) => setColumns([axis, text])}
        />
        <AxisField
          label={t("grid.rows")}
          axis={rows[0]}
          text={rows[1]}
          others={columns[0]}
          optional
          error={down ? null : bad}
          onChange={(axis, text) => setRows([axis, text])}
        />
      </div>
      <Wrong text={wrong} />
      <Button kind="main" icon="grid" type="submit" disabled={busy || many === 0} aria-busy={busy}>
        {tn("make", Math.max(1, many))}
      </Button>
    </form>
  );
}
