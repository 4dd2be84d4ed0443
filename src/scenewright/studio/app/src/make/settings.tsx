/** Model, size, length, seed and how it samples. */
import { number, t } from "../i18n";
import { models } from "../state/models";
import { IconButton } from "../ui/button";
import { Field, NumberInput, Segments } from "../ui/field";
import { chosen, change, draft, longest, objection, preset, presetNow, rollSeed, usualSeconds, type PresetName } from "./draft";

function ModelField() {
  const list = models.value ?? [];
  return (
    <Field label={t("model")} error={objection("model")}>
      <select value={chosen.value?.id ?? ""} onChange={(event) => change({ model: event.currentTarget.value })}>
        {list.map((one) => (
          <option key={one.id} value={one.id} disabled={one.needs_sound}>
            {one.fits === false ? t("model.does-not-fit", { model: one.id }) : one.id}
          </option>
        ))}
      </select>
    </Field>
  );
}

const TIMES = [1, 2, 4];

function SizeField() {
  const of = chosen.value;
  const { width, height } = draft.value;
  const own = of ? [of.native_width, of.native_height] : [0, 0];
  const now: [number, number] = [width === "" ? own[0]! : width, height === "" ? own[1]! : height];
  const listed = TIMES.find((by) => own[0]! * by === now[0] && own[1]! * by === now[1]);
  const wrong = objection("size", "width", "height");
  return (
    <>
      <Field label={t("size")} error={listed ? wrong : null}>
        <select
          value={listed ? String(listed) : "own"}
          onChange={(event) => {
            const by = Number(event.currentTarget.value);
            if (by === 1) change({ width: "", height: "" });
            else if (by) change({ width: own[0]! * by, height: own[1]! * by });
            else change({ width: now[0] + (listed ? 16 : 0), height: now[1] });
          }}
        >
          {of
            ? TIMES.map((by) => (
                <option key={by} value={String(by)}>
                  {by === 1
                    ? t("size.native", { w: own[0]!, h: own[1]! })
                    : t("size.plain", { w: own[0]! * by, h: own[1]! * by })}
                </option>
              ))
            : null}
          <option value="own">{t("size.own")}</option>
        </select>
      </Field>
      {listed ? null : (
        <div class="pair">
          <Field label={t("width")} error={objection("width", "size")}>
            <NumberInput value={now[0]} min={16} max={4096} step={2} onValue={(value) => change({ width: value })} />
          </Field>
          <Field label={t("height")} error={objection("height")}>
            <NumberInput value={now[1]} min={16} max={4096} step={2} onValue={(value) => change({ height: value })} />
          </Field>
        </div>
      )}
    </>
  );
}

function SecondsField() {
  const of = chosen.value;
  const most = longest.value;
  const now = draft.value.seconds === "" ? usualSeconds.value : draft.value.seconds;
  const frames = of ? Math.max(1, Math.round(Number(now) * of.fps)) : null;
  return (
    <Field
      label={t("seconds")}
      error={objection("seconds", "num_frames")}
      hint={of && frames ? t("seconds.frames", { frames, fps: number(of.fps) }) : undefined}
    >
      <NumberInput
        value={now}
        min={of ? 1 / of.fps : 0}
        {...(most ? { max: most } : {})}
        step="any"
        onValue={(value) => change({ seconds: value })}
      />
    </Field>
  );
}

function SeedField() {
  const { seed, locked, count } = draft.value;
  return (
    <Field
      label={t("seed")}
      error={objection("seed")}
      hint={count > 1 ? t("seed.sweep", { from: String(seed), to: String(seed + count - 1) }) : undefined}
      aside={
        <span class="field-tools">
          <IconButton icon="dice" label={t("seed.roll")} onClick={() => change({ seed: rollSeed() })} />
          <IconButton
            icon={locked ? "locked" : "unlocked"}
            label={t("seed.lock")}
            pressed={locked}
            onClick={() => change({ locked: !locked })}
          />
        </span>
      }
    >
      <NumberInput value={seed} min={0} step={1} onValue={(value) => change({ seed: value === "" ? 0 : value, locked: true })} />
    </Field>
  );
}

export function Sampling() {
  const of = chosen.value;
  if (!of || !preset("balanced", of)) return null;
  const set = (name: PresetName) => change(preset(name, of) ?? {});
  return (
    <div class="group">
      <Segments<PresetName>
        label={t("preset")}
        value={presetNow.value}
        choices={(["quick", "balanced", "best"] as const).map((name) => ({ value: name, label: t(`preset.${name}`) }))}
        onValue={set}
      />
      <p class="hint">{presetNow.value ? t(`preset.${presetNow.value}.hint`) : t("preset.own")}</p>
    </div>
  );
}

export function MainSettings() {
  return (
    <div class="grid-fields">
      <ModelField />
      <SizeField />
      <SecondsField />
      <SeedField />
    </div>
  );
}

export function FineSettings() {
  const of = chosen.value;
  const own = of?.settings;
  const takes = (setting: string) => of?.takes.includes(setting) ?? false;
  const { steps, guidance, shift, format, cache, fast } = draft.value;
  return (
    <details class="more">
      <summary>{t("more")}</summary>
      <div class="grid-fields">
        {own && !fast && takes("steps") ? (
          <Field label={t("steps")} error={objection("num_inference_steps")}>
            <NumberInput value={steps === "" ? (own.steps ?? "") : steps} min={1} max={1000} onValue={(v) => change({ steps: v })} />
          </Field>
        ) : null}
        {own && !fast && takes("guidance_scale") ? (
          <Field label={t("guidance")} error={objection("guidance_scale")}>
            <NumberInput
              value={guidance === "" ? (own.guidance_scale ?? "") : guidance}
              min={0}
              max={100}
              step="any"
              onValue={(v) => change({ guidance: v })}
            />
          </Field>
        ) : null}
        {own && !fast && takes("shift") ? (
          <Field label={t("shift")} error={objection("flow_shift")}>
            <NumberInput value={shift === "" ? (own.shift ?? "") : shift} min={0} step="any" onValue={(v) => change({ shift: v })} />
          </Field>
        ) : null}
        <Field label={t("format")} error={objection("format")}>
          <select value={format} onChange={(event) => change({ format: event.currentTarget.value as "mp4" | "webm" })}>
            <option value="mp4">MP4</option>
            <option value="webm">WebM</option>
          </select>
        </Field>
      </div>
      <label class="check">
        <input type="checkbox" checked={cache} onChange={(event) => change({ cache: event.currentTarget.checked })} />
        <span>{t("cache")}</span>
      </label>
    </details>
  );
}
