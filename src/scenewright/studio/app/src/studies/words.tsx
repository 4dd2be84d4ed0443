/** Studies in words: what they are, how far they are, what their settings are. */
import type { Contestant, Study } from "../api/study-types";
import { number, t, tn } from "../i18n";
import { Icon } from "../ui/icons";

export function parts(study: Study): string[] {
  return Object.keys(study.systems ?? study.contestants ?? {});
}

export function howFar(study: Study): string {
  return study.wanted === null
    ? tn(study.kind === "arena" ? "votes.count" : "answers.count", study.answers)
    : t("answers.of", { n: number(study.answers), of: number(study.wanted) });
}

export function Badges({ study }: { study: Study }) {
  return (
    <span class="badges">
      <span class={`badge ${study.closed_at === null ? "is-good" : "is-plain"}`}>
        <Icon name={study.closed_at === null ? "unlocked" : "locked"} size={14} />
        {t(study.closed_at === null ? "study.open" : "study.closed")}
      </span>
      {study.shared ? (
        <span class="badge is-plain">
          <Icon name="people" size={14} />
          {study.manage || !study.owner ? t("study.shared") : t("study.of", { owner: study.owner })}
        </span>
      ) : null}
    </span>
  );
}

const TOLD = ["model", "fast", "num_inference_steps", "guidance_scale", "flow_shift"];

/** "nano · 24 steps · guidance 3.5": what was said, the rest is the model's own. What only the API can say comes by
 * its name. */
export function contestantWords(one: Contestant): string {
  const has = (value: number | null | undefined): value is number => value !== null && value !== undefined;
  const others = Object.entries(one).filter(([name, value]) => !TOLD.includes(name) && value !== null);
  return [
    one.model ?? "",
    one.fast ? t("setting.fast") : "",
    has(one.num_inference_steps) ? tn("model.steps", one.num_inference_steps) : "",
    has(one.guidance_scale) ? t("setting.guidance", { n: number(one.guidance_scale) }) : "",
    has(one.flow_shift) ? t("setting.shift", { n: number(one.flow_shift) }) : "",
    ...others.map(([name, value]) => `${name} ${value}`),
  ]
    .filter(Boolean)
    .join(" · ");
}
