/** A new study: videos of the library, what tells them apart, what is asked and of whom. */
import { useState } from "preact/hooks";
import type { Question } from "../api/study-types";
import { t } from "../i18n";
import { href, place } from "../router";
import { Button } from "../ui/button";
import { Field, Wrong } from "../ui/field";
import { Icon } from "../ui/icons";
import { useCreating } from "./creating";
import { newQuestion, QuestionsPart } from "./questions-part";
import { RunningPart, SharedBox, USUAL } from "./running-part";
import type { Systems } from "./splitting";
import { SystemsPart } from "./systems-part";

const FIELDS = ["name", "title", "systems", "questions", "votes", "checks", "failures"];

export function FormHead({ kind }: { kind: "study" | "arena" }) {
  return (
    <header class="page-head">
      <a class="way-back" href={href("studies")}>
        <Icon name="arrow-left" size={18} />
        <span class="sr-only">{t("studies.all")}</span>
      </a>
      <h1>{t(kind === "arena" ? "arena.new" : "study.new")}</h1>
      <p class="quiet form-what">{t(kind === "arena" ? "arena.what" : "study.what")}</p>
    </header>
  );
}

export function StudyForm() {
  const { values } = place.value;
  const [name, setName] = useState("");
  const [title, setTitle] = useState("");
  const [systems, setSystems] = useState<Systems | null>({});
  const [prompts, setPrompts] = useState(0);
  const [questions, setQuestions] = useState<Question[]>(() => [newQuestion("compare")]);
  const [running, setRunning] = useState(USUAL);
  const [shared, setShared] = useState(false);
  const { busy, create, object, error, rest } = useCreating(FIELDS);
  const pairs = questions.some((question) => question.kind === "compare" || question.kind === "rank");

  const start = () => {
    if (!name.trim()) return object("name", t("study.name.needed"));
    if (!systems) return;
    const many = Object.keys(systems).length;
    if (many < (pairs ? 2 : 1)) return object("systems", t(pairs ? "systems.needed" : "systems.one-needed"));
    if (!prompts) return object("systems", t("systems.no-common"));
    void create({
      kind: "study",
      name: name.trim(),
      title: title.trim() || t("study.title.usual"),
      systems,
      questions,
      mode: running.mode,
      votes: running.votes,
      checks: running.checks / 100,
      failures: running.failures,
      shared,
    });
  };

  return (
    <div class="studies">
      <FormHead kind="study" />
      <form
        class="study-form"
        aria-label={t("study.new")}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          start();
        }}
      >
        <div class="form-part">
          <Field label={t("study.name")} error={error("name")}>
            <input
              type="text"
              maxLength={200}
              value={name}
              placeholder={t("study.name.example")}
              onInput={(event) => setName(event.currentTarget.value)}
            />
          </Field>
          <Field label={t("study.title")} hint={t("study.title.hint")} error={error("title")}>
            <input
              type="text"
              maxLength={200}
              value={title}
              placeholder={t("study.title.usual")}
              onInput={(event) => setTitle(event.currentTarget.value)}
            />
          </Field>
        </div>
        <SystemsPart
          grid={values.get("grid")}
          videos={(values.get("videos") ?? "").split(",").filter(Boolean)}
          error={error("systems")}
          onSystems={(next, common) => {
            setSystems(next);
            setPrompts(common);
          }}
        />
        <QuestionsPart
          questions={questions}
          onChange={setQuestions}
          error={(at) => error(`questions.${at}`) ?? (at === 0 ? error("questions") : null)}
        />
        <RunningPart running={running} error={error} onChange={setRunning} />
        <SharedBox shared={shared} onChange={setShared} />
        <Wrong text={rest} />
        <Button kind="main" icon="studies" type="submit" disabled={busy} aria-busy={busy}>
          {t("study.make")}
        </Button>
      </form>
    </div>
  );
}
