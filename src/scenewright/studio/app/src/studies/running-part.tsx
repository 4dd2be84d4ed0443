/** The part of the form that says who answers, how often, and how their attention is seen to. */
import { number, t } from "../i18n";
import { withoutAccounts } from "../login/page";
import { Field, NumberInput, Segments } from "../ui/field";

export interface Running {
  mode: "crowd" | "expert";
  votes: number;
  /** In percent. */
  checks: number;
  failures: number;
}

export const USUAL: Running = { mode: "crowd", votes: 3, checks: 10, failures: 0 };

export function RunningPart(props: { running: Running; error: (param: string) => string | null; onChange: (running: Running) => void }) {
  const { running, error } = props;
  const change = (changes: Partial<Running>) => props.onChange({ ...running, ...changes });
  return (
    <fieldset class="form-part">
      <legend>{t("running")}</legend>
      <Segments
        label={t("running.mode")}
        value={running.mode}
        choices={(["crowd", "expert"] as const).map((mode) => ({ value: mode, label: t(`running.${mode}`) }))}
        onValue={(mode) => change({ mode })}
      />
      <p class="hint">{t(`running.${running.mode}.hint`)}</p>
      <div class="grid-fields">
        {running.mode === "crowd" ? (
          <Field label={t("running.votes")} error={error("votes")}>
            <NumberInput
              value={running.votes}
              min={1}
              max={100}
              step={1}
              onValue={(value) => change({ votes: value === "" ? 1 : value })}
            />
          </Field>
        ) : null}
        <Field label={t("running.checks")} hint={t("running.checks.hint")} error={error("checks")}>
          <NumberInput
            value={running.checks}
            min={0}
            max={50}
            step={1}
            onValue={(value) => change({ checks: value === "" ? 0 : value })}
          />
        </Field>
        {running.checks > 0 ? (
          <Field label={t("running.failures")} hint={t("running.failures.hint", { n: number(running.failures) })} error={error("failures")}>
            <NumberInput
              value={running.failures}
              min={0}
              step={1}
              onValue={(value) => change({ failures: value === "" ? 0 : value })}
            />
          </Field>
        ) : null}
      </div>
    </fieldset>
  );
}

/** Without accounts, everyone at this server is one to it. */
export function SharedBox({ shared, onChange }: { shared: boolean; onChange: (shared: boolean) => void }) {
  if (withoutAccounts.value !== false) return null;
  return (
    <label class="check">
      <input type="checkbox" checked={shared} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span>{t("share.hint")}</span>
    </label>
  );
}
