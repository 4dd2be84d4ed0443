/** Who answers: with accounts that is the account, without them a name, which this browser remembers. */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
import type { Study } from "../api/study-types";
import { t } from "../i18n";
import { withoutAccounts } from "../login/page";
import { href } from "../router";
import { keep, kept } from "../state/keeping";
import { register } from "../state/shortcuts";
import { Button } from "../ui/button";
import { Field } from "../ui/field";
import { Icon } from "../ui/icons";

const name = signal(kept("rater") ?? "");
const LONGEST = 200;

function rename(next: string): void {
  name.value = next;
  keep("rater", next || null);
}

function AskName() {
  const [typed, setTyped] = useState("");
  return (
    <form
      class="rater-form"
      onSubmit={(event) => {
        event.preventDefault();
        rename(typed.trim());
      }}
    >
      <h2>{t("rater.who")}</h2>
      <Field label={t("rater.name")} hint={t("rater.hint")}>
        <input
          type="text"
          required
          maxLength={LONGEST}
          autocomplete="nickname"
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
      </Field>
      <Button kind="main" type="submit">
        {t("rater.begin")}
      </Button>
    </form>
  );
}

export function WithRater({ study, children }: { study: Study; children: (rater: string | null) => ComponentChildren }) {
  const needed = withoutAccounts.value;
  // A key that is pressed once too often leads to no other page; answers take their keys after this.
  useLayoutEffect(() => register([..."0123456789"].map((keys) => ({ keys, does: "vote", run: () => undefined }))), []);
  return (
    <div class="voting">
      <header class="page-head voting-head">
        <a class="way-back" href={href("studies", [study.id])}>
          <Icon name="arrow-left" size={18} />
          <span class="sr-only">{t("study.back")}</span>
        </a>
        <h1>{study.title || study.name}</h1>
        {needed && name.value ? (
          <p class="rater">
            <span class="quiet">{t("rater.as", { name: name.value })}</span>
            <button type="button" class="link-button" onClick={() => rename("")}>
              {t("rater.change")}
            </button>
          </p>
        ) : null}
      </header>
      {needed === null ? (
        <p class="quiet">{t("loading")}</p>
      ) : needed && !name.value ? (
        <AskName />
      ) : (
        children(needed ? name.value : null)
      )}
    </div>
  );
}
