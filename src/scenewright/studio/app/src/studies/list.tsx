/** All studies and arenas, and how far each is. */
import { useEffect } from "preact/hooks";
import type { Study } from "../api/study-types";
import { t, tn } from "../i18n";
import { href } from "../router";
import { Button } from "../ui/button";
import { Empty } from "../ui/empty";
import { Icon } from "../ui/icons";
import { failed, loaded, loadStudies, studies } from "./listing";
import { Badges, howFar, parts } from "./words";

function Card({ study }: { study: Study }) {
  const names = parts(study);
  return (
    <li class="study-card">
      <span class="study-icon">
        <Icon name={study.kind === "arena" ? "arena" : "studies"} size={22} />
      </span>
      <div class="study-words">
        <h2>
          <a href={href("studies", [study.id])}>{study.name}</a>
        </h2>
        <p class="quiet">
          {[
            t(study.kind === "arena" ? "arena" : "study"),
            study.kind === "study" ? tn("prompts.count", study.prompts) : "",
            names.length ? names.join(", ") : "",
          ]
            .filter(Boolean)
            .join(" · ")}
        </p>
        <Badges study={study} />
        <div class="study-far">
          <span>{howFar(study)}</span>
          {study.wanted ? (
            <progress max={study.wanted} value={Math.min(study.wanted, study.answers)} aria-label={t("progress-of", { prompt: study.name })} />
          ) : null}
        </div>
      </div>
      {study.closed_at === null ? (
        <a class="button plain" href={href("studies", [study.id, "vote"])} aria-label={t("vote.in", { name: study.name })}>
          <span>{t("vote")}</span>
        </a>
      ) : null}
    </li>
  );
}

function Kinds() {
  return (
    <ul class="study-kinds">
      {(["study", "arena"] as const).map((kind) => (
        <li key={kind}>
          <a class="study-kind" href={href("studies", ["new", kind])}>
            <span class="study-icon">
              <Icon name={kind === "arena" ? "arena" : "studies"} size={22} />
            </span>
            <span>
              <strong>{t(kind === "arena" ? "arena.new" : "study.new")}</strong>
              <span class="quiet">{t(kind === "arena" ? "arena.what" : "study.what")}</span>
            </span>
          </a>
        </li>
      ))}
    </ul>
  );
}

export function StudyList() {
  useEffect(() => void loadStudies(), []);
  const all = studies.value;
  return (
    <div class="studies">
      <header class="page-head">
        <h1>{t("page.studies")}</h1>
        <span class="quiet">{all.length ? tn("studies.count", all.length) : ""}</span>
      </header>
      {failed.value ? (
        <Empty icon="warn" title={t("studies.failed")}>
          <p>{failed.value}</p>
          <Button onClick={() => void loadStudies()}>{t("try-again")}</Button>
        </Empty>
      ) : loaded.value ? (
        <>
          {all.length ? null : (
            <Empty icon="people" title={t("studies.empty")}>
              <p>{t("studies.empty.do")}</p>
            </Empty>
          )}
          <Kinds />
          {all.length ? (
            <ul class="study-cards">
              {all.map((one) => (
                <Card key={one.id} study={one} />
              ))}
            </ul>
          ) : null}
        </>
      ) : (
        <p class="quiet">{t("loading")}</p>
      )}
    </div>
  );
}
