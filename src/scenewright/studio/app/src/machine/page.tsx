/** Models and machine: what is installed, what runs here, what was measured, and what would help. */
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api/http";
import { getMachine } from "../api/house";
import type { Advice, Machine, Measurement, Model } from "../api/types";
import { bytes, duration, number, t, tn } from "../i18n";
import { loadModels, models } from "../state/models";
import { Button } from "../ui/button";
import { Empty } from "../ui/empty";
import { Icon } from "../ui/icons";

function ModelCard({ model, measured }: { model: Model; measured: Measurement[] }) {
  const can = [
    model.given_frames ? t("can.frames") : null,
    model.extension ? t("can.extend") : null,
    model.fast ? t("can.fast") : null,
  ].filter(Boolean);
  return (
    <li class="model">
      <header>
        <h3>{model.id}</h3>
        <span class={`badge ${model.fits ? "is-good" : "is-bad"}`}>
          <Icon name={model.fits ? "check" : "warn"} size={14} />
          {t(model.fits ? "model.fits" : "model.too-large")}
        </span>
      </header>
      <p class="quiet">
        {model.width} × {model.height}
        {model.most_frames ? ` · ${t("facts.seconds", { s: number(model.most_frames / model.fps) })}` : ""}
        {` · ${t("facts.fps", { fps: number(model.fps) })}`}
        {model.settings ? ` · ${tn("model.steps", model.settings.steps)}` : ""}
      </p>
      {model.reason ? <p class="scene-note">{model.reason}</p> : null}
      {can.length ? (
        <ul class="tags" aria-label={t("model.can")}>
          {can.map((one) => (
            <li key={one} class="tag">
              {one}
            </li>
          ))}
        </ul>
      ) : null}
      {measured.length ? (
        <ul class="measured">
          {measured.map((one) => (
            <li key={one.device}>
              {one.seconds === null ? "" : t("measured.seconds", { time: duration(one.seconds) })}
              {one.memory ? ` · ${bytes(one.memory)}` : ""} · {tn("measured.runs", one.runs)} · {one.device}
            </li>
          ))}
        </ul>
      ) : (
        <p class="quiet">{t("measured.none")}</p>
      )}
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

const STATE_ICON = { ok: "check", info: "help", missing: "minus", failed: "warn" } as const;

function AdviceList({ advice }: { advice: Advice[] }) {
  const wanting = advice.filter((one) => one.state === "failed" || one.state === "missing");
  const fine = advice.filter((one) => one.state === "ok" || one.state === "info");
  const row = (one: Advice) => (
    <li key={one.name + one.text} class={`advice is-${one.state}`}>
      <Icon name={STATE_ICON[one.state]} size={18} />
      <span>
        <strong>{one.name}</strong> {one.text}
        {one.fix && one.state !== "ok" ? <span class="advice-fix">{one.fix}</span> : null}
      </span>
      <span class="sr-only">{t(`advice.${one.state}`)}</span>
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
      await Promise.all([getMachine().then(setMachine), loadModels()]);
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
                <Fact label={t("machine.cores")} value={machine.cores === null ? null : number(machine.cores)} />
                <Fact
                  label={t("machine.memory")}
                  value={
                    machine.memory_free === null
                      ? null
                      : machine.memory_total === null
                        ? t("machine.free", { free: bytes(machine.memory_free) })
                        : t("machine.free-of", { free: bytes(machine.memory_free), all: bytes(machine.memory_total) })
                  }
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
                      <span class={`dot ${worker.alive ? "is-good" : "is-bad"}`} aria-hidden="true" />
                      <span>
                        {worker.device} · {worker.host}
                        <span class="quiet">
                          {" "}
                          {worker.alive
                            ? worker.models.length
                              ? t("worker.holds", { models: worker.models.join(", ") })
                              : t("worker.ready")
                            : t("worker.gone")}
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
              <AdviceList advice={machine.advice} />
            </section>
          </div>
        </div>
      )}
    </div>
  );
}
