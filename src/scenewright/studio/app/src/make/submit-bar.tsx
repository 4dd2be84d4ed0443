/** How many, what it will take, and the button. */
import { bytes, duration, t, tn } from "../i18n";
import { Button, IconButton } from "../ui/button";
import { change, draft, MOST_AT_ONCE } from "./draft";
import { submit, submitting } from "./submitting";
import { estimated } from "./understanding";

function EstimateLine() {
  const { prompt, count } = draft.value;
  const estimate = estimated.value;
  if (!prompt.trim()) return <p class="estimate">{t("estimate.no-prompt")}</p>;
  if (estimate === "asking") return <p class="estimate">{t("estimate.asking")}</p>;
  if (!estimate?.known || estimate.seconds === null) return <p class="estimate">{t("estimate.unknown")}</p>;
  const parts = [t("estimate.seconds", { time: duration(estimate.seconds * count) })];
  if (estimate.memory) parts.push(t("estimate.memory", { memory: bytes(estimate.memory) }));
  if (estimate.waits && estimate.waits >= 1) parts.push(t("estimate.waits", { time: duration(estimate.waits) }));
  return (
    <p class="estimate">
      {parts.join(" · ")}
      {estimate.fits === false ? <span class="estimate-bad">{t("estimate.too-large")}</span> : null}
    </p>
  );
}

export function SubmitBar() {
  const { count } = draft.value;
  const set = (next: number) => change({ count: Math.min(MOST_AT_ONCE, Math.max(1, next)) });
  return (
    <div class="submit-bar">
      <EstimateLine />
      <div class="submit-row">
        <div class="stepper" role="group" aria-label={t("count")}>
          <IconButton icon="minus" label={t("count.fewer")} disabled={count <= 1} onClick={() => set(count - 1)} />
          <output aria-live="off">{tn("count.videos", count)}</output>
          <IconButton icon="plus" label={t("count.more")} disabled={count >= MOST_AT_ONCE} onClick={() => set(count + 1)} />
        </div>
        <Button kind="main" aria-busy={submitting.value} onClick={() => void submit()}>
          {tn("make", count)}
        </Button>
      </div>
    </div>
  );
}
