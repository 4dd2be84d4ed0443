/** Models and machine: what is installed, what runs here, what was measured, and what would help. */
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api/http";
import { getMachine } from "../api/house";
import type { Advice, Machine, Measurement, Model } from "../api/types";
import { bytes, duration, number, t, tn, type Key } from "../i18n";
import { loadModels, models } from "../state/models";
import { Button } from "../ui/button";
import { Empty } from "../ui/empty";
import { Icon, type IconName } from "../ui/icons";

const PHASES = ["load", "encode", "denoise", "decode", "export"] as const;

/** What a video of the usual length took on one device, and how that is shared between the phases. Videos that
 * were made together share their time, so it goes by the frames that came out. */
function Measured({ measured, frames }: { measured: Measurement; frames: number }) {
  const work = PHASES.filter((phase) => phase !== "load" && measured.seconds[phase] !== undefined);
  const total = work.reduce((sum, phase) => sum + measured.seconds[phase]!, 0) || 1;
  const video = measured.frames_per_second ? frames / measured.frames_per_second : total;
  return (
    <div class="measured">
      <p>
        <strong>{t("measured.seconds", { time: duration(video) })}</strong>
        {measured.peak_memory ? ` · ${bytes(measured.peak_memory)}` : ""}
        {measured.frames_per_second ? ` · ${t("measured.speed", { n: number(measured.frames_per_second) })}` : ""}
      </p>
      <dl>
        {work.map((phase) => (
          <div key={phase}>
            <dt>{t(`measured.${phase}` as Key)}</dt>
            <dd>
              <span class="bar" aria-hidden="true">
                <span style={{ width: `${(100 * measured.seconds[phase]!) / total}%` }} />
              </span>
              <span>{t("facts.seconds", { s: number((measured.seconds[phase]! * video) / total) })}</span>
            </dd>
          </div>
        ))}
      </dl>
      <p class="quiet">
        {tn("measured.runs", measured.videos)} · {measured.device}
        {measured.seconds.load === undefined ? "" : ` · ${t("measured.load", { s: number(measured.seconds.load) })}`}
      </p>
    </div>
  );
}

function ModelCard({ model, measured }: { model: Model; measured: Measurement[] }) {
  const can = [
    model.given_frames ? t("can.frames") : null,
    model.extends ? t("can.extend") : null,
    model.fast ? t("can.fast") : null,
  ].filter(Boolean);
  return (
    <li class="model">
      <header>
        <h3>{model.id}</h3>
        <span class={`badge ${model.fits === false ? "is-bad" : "is-good"}`}>
          <Icon name={model.fits === false ? "warn" : "check"} size={14} />
          {t(model.fits === false ? "model.too-large" : "model.fits")}
        </span>
      </header>
      <p class="quiet">
        {model.native_width} × {model.native_height}
        {` · ${model.most_frames ? t("model.up-to", { s: number(model.most_frames / model.fps) }) : t("model.any-length")}`}
        {` · ${t("facts.fps", { fps: number(model.fps) })}`}
        {model.settings?.steps ? ` · ${tn("model.steps", model.settings.steps)}` : ""}
        {model.bytes ? ` · ${bytes(model.bytes)}` : ""}
      </p>
      {can.length ? (
        <ul class="tags" aria-label={t("model.can")}>
          {can.map((one) => (
            <li key={one} class="tag">
              {one}
            </li>
          ))}
        </ul>
      ) : null}
      {measured.map((one) => (
        <Measured key={one.device} measured={one} frames={model.usual_frames} />
      ))}
      {measured.length ? null : <p class="quiet">{t("measured.none")}</p>}
    </li>
  );
}

function Fact({ label, value }: { label: string; value: string | null }) {
  if (value === null) return null;
  return (
    <div>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}

const STATE_ICON: Record<string, IconName> = { ok: "check", info: "help", missing: "minus", failed: "warn" };

function AdviceList({ advice }: { advice: Advice[] }) {
  const wanting = advice.filter((one) => one.state === "failed" || one.state === "missing");
  const fine = advice.filter((one) => one.state === "ok" || one.state === "info");
  const row = (one: Advice) => (
    <li key={one.name + one.text} class={`advice is-${one.state}`}>
      <Icon name={STATE_ICON[one.state] ?? "help"} size={18} />
      <span>
        <strong>{one.name}</strong> {one.text}
        {one.fix && one.state !== "ok" ? <span class="advice-fix">{one.fix}</span> : null}
      </span>
      <span class="sr-only">{t(`advice.${one.state}` as Key)}</span>
    </li>
  );
  return (
    <>
      {wanting.length ? <ul class="advices">{wanting.map(row)}</ul> : <p class="quiet">{t("advice.nothing")}</p>}
      {fine.length ? (
        <details class="more">
          <summary>{tn("advice.fine", fine.length)}</summary>
          <ul class="advices">{fine.map(row)}</ul>
        </details>
      ) : null}
    </>
  );
}

export function MachinePage() {
  const [machine, setMachine] = useState<Machine | null>(null);
  const [wrong, setWrong] = useState<string | null>(null);
  const look = async () => {
    setWrong(null);
    try {
      await Promise.all([getMachine(false).then(setMachine), loadModels()]);
      setMachine(await getMachine(true));
    } catch (error) {
      setWrong(error instanceof ApiError ? error.message : String(error));
    }
  };
  useEffect(() => void look(), []);
  return (
    <div class="machine">
      <header class="page-head">
        <h1>{t("page.machine")}</h1>
        {machine ? (
          <Button icon="reuse" kind="quiet" onClick={() => void look()}>
            {t("look-again")}
          </Button>
        ) : null}
      </header>
      {wrong ? (
        <Empty icon="warn" title={t("machine.failed")}>
          <p>{wrong}</p>
          <Button onClick={() => void look()}>{t("try-again")}</Button>
        </Empty>
      ) : !machine ? (
        <p class="quiet">{t("machine.loading")}</p>
      ) : (
        <div class="machine-parts">
          <section aria-labelledby="models-title">
            <h2 id="models-title">{t("models")}</h2>
            <ul class="models">
              {(models.value ?? []).map((model) => (
                <ModelCard key={model.id} model={model} measured={machine.measurements.filter((one) => one.model === model.id)} />
              ))}
            </ul>
          </section>
          <div class="machine-side">
            <section aria-labelledby="machine-title">
              <h2 id="machine-title">{t("this-machine")}</h2>
              <dl class="facts">
                <Fact label={t("machine.cores")} value={number(machine.cores)} />
                <Fact
                  label={t("machine.memory")}
                  value={machine.memory_available === null ? null : t("machine.free", { free: bytes(machine.memory_available) })}
                />
                <Fact
                  label={t("machine.disk")}
                  value={machine.disk_free === null ? null : t("machine.free", { free: bytes(machine.disk_free) })}
                />
              </dl>
              <h3>{t("workers")}</h3>
              {machine.workers.length ? (
                <ul class="workers">
                  {machine.workers.map((worker) => (
                    <li key={worker.id}>
                      <span class="dot" aria-hidden="true" />
                      <span>
                        {[worker.device, worker.host].filter(Boolean).join(" · ")}{" "}
                        <span class="quiet">
                          {worker.models.length ? t("worker.holds", { models: worker.models.join(", ") }) : t("worker.ready")}
                        </span>
                      </span>
                    </li>
                  ))}
                </ul>
              ) : (
                <p class="quiet">{t("workers.none")}</p>
              )}
            </section>
            <section aria-labelledby="advice-title">
              <h2 id="advice-title">{t("advice")}</h2>
              {machine.advice ? <AdviceList advice={machine.advice} /> : <p class="quiet">{t("advice.asking")}</p>}
            </section>
          </div>
        </div>
      )}
    </div>
  );
}
