/** Make: the form at the left, what is being made and the queue at the right. */
import { useEffect } from "preact/hooks";
import { t } from "../i18n";
import { Field } from "../ui/field";
import { change, chosen, draft, objection } from "./draft";
import { Frames } from "./frames";
import { PromptField } from "./prompt-field";
import { Queue } from "./queue";
import { FineSettings, MainSettings, Sampling } from "./settings";
import { Stage } from "./stage";
import { SubmitBar } from "./submit-bar";
import { submit } from "./submitting";
import { followDraft } from "./understanding";

export function MakePage() {
  useEffect(followDraft, []);
  return (
    <div class="make">
      <form
        class="composer"
        aria-label={t("page.make")}
        onSubmit={(event) => event.preventDefault()}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            void submit();
          }
        }}
      >
        <h1 class="sr-only">{t("page.make")}</h1>
        <PromptField />
        {chosen.value?.negative_prompts === false ? null : (
          <Field label={t("negative")} error={objection("negative_prompt")}>
            <input
              type="text"
              value={draft.value.negative}
              placeholder={t("negative.placeholder")}
              onInput={(event) => change({ negative: event.currentTarget.value })}
            />
          </Field>
        )}
        <Frames />
        <Sampling />
        <MainSettings />
        <FineSettings />
        <SubmitBar />
      </form>
      <div class="workplace">
        <Stage />
        <Queue />
      </div>
    </div>
  );
}
