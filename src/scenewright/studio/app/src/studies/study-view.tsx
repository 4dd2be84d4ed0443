/** One study: what it is, its results, and what can be done with it. */
import { useEffect, useState } from "preact/hooks";
import { content } from "../api/videos";
import { answersFile, getResults } from "../api/studies";
import type { Results, Study } from "../api/study-types";
import { moment, t, tn } from "../i18n";
import { withoutAccounts } from "../login/page";
import { go, href } from "../router";
import { Button } from "../ui/button";
import { Empty } from "../ui/empty";
import { Icon } from "../ui/icons";
import { useAsked } from "./asking";
import { changeStudy, refreshStudy, removeStudy } from "./listing";
import { ResultsView } from "./results";
import { Badges, contestantWords } from "./words";

const ASK_EVERY = 10_000;
const MOST_SHOWN = 6;

function Actions({ study }: { study: Study }) {
  const closed = study.closed_at !== null;
  return (
    <div class="study-actions">
      {closed ? null : (
        <a class="button main" href={href("studies", [study.id, "vote"])}>
          <Icon name="check" size={18} />
          <span>{t(study.kind === "arena" ? "arena.enter" : "vote")}</span>
        </a>
      )}
      {study.manage ? (
        <>
          {withoutAccounts.value !== false ? null : (
            <Button
              icon="people"
              aria-pressed={study.shared}
              onClick={() => void changeStudy(study.id, { shared: !study.shared }, t(study.shared ? "unshare.said" : "share.said"))}
            >
              {t(study.shared ? "unshare" : "share")}
            </Button>
          )}
          <Button
            icon={closed ? "unlocked" : "locked"}
            onClick={() => void changeStudy(study.id, { closed: !closed }, t(closed ? "study.opened.said" : "study.closed.said"))}
          >
            {t(closed ? "study.reopen" : "study.close")}
          </Button>
          <a class="button plain" href={answersFile(study.id)} download>
            <Icon name="download" size={18} />
            <span>{t("results.csv")}</span>
          </a>
          <Button
            kind="danger"
            icon="trash"
            onClick={() => {
              removeStudy(study);
              go("studies");
            }}
          >
            {t("delete")}
          </Button>
        </>
      ) : null}
    </div>
  );
}

/** What is compared; raters are not told while they may answer. */
function Made({ study }: { study: Study }) {
  const { systems, contestants } = study;
  if (!systems && !contestants) return null;
  return (
    <section class="study-made" aria-labelledby="study-made">
      <h2 id="study-made">{t(systems ? "systems" : "contestants")}</h2>
      <ul class="made-list">
        {Object.entries(systems ?? {}).map(([name, ids]) => (
          <li key={name}>
            <strong>{name}</strong>
            <span class="quiet">{tn("count.videos", ids.length)}</span>
            <span class="thumbs" aria-hidden="true">
              {ids.slice(0, MOST_SHOWN).map((id) => (
                <img
                  key={id}
                  src={content(id, "thumbnail")}
                  alt=""
                  loading="lazy"
                  onError={(event) => (event.currentTarget.hidden = true)}
                />
              ))}
            </span>
          </li>
        ))}
        {Object.entries(contestants ?? {}).map(([name, settings]) => (
          <li key={name}>
            <strong>{name}</strong>
            <span class="quiet">{contestantWords(settings)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function ResultsPart({ study }: { study: Study }) {
  const [results, setResults] = useState<Results | null>(null);
  const mayRead = study.manage || (study.shared && study.closed_at !== null);
  const ask = () => (mayRead ? getResults(study.id).then(setResults) : Promise.resolve());
  const [failed, again] = useAsked(ask, [study.id, mayRead, study.answers]);
  // Results take the server some work, and so are asked for when there are other answers.
  useEffect(() => {
    if (study.closed_at !== null) return;
    const timer = window.setInterval(() => void refreshStudy(study.id).catch(() => undefined), ASK_EVERY);
    return () => window.clearInterval(timer);
  }, [study.id, study.closed_at]);
  if (!mayRead) return <p class="quiet">{t("results.later")}</p>;
  if (failed && !results)
    return (
      <Empty icon="warn" title={t("results.failed")}>
        <p>{failed}</p>
        <Button onClick={again}>{t("try-again")}</Button>
      </Empty>
    );
  if (!results) return <p class="quiet">{t("loading")}</p>;
  if (!results.answers && !results.left_out.length)
    return (
      <Empty icon="people" title={t("results.empty")}>
        <p>{t(study.kind === "arena" ? "results.empty.arena" : "results.empty.study")}</p>
      </Empty>
    );
  return <ResultsView study={study} results={results} />;
}

export function StudyView({ study }: { study: Study }) {
  return (
    <div class="studies study-view">
      <header class="page-head">
        <a class="way-back" href={href("studies")}>
          <Icon name="arrow-left" size={18} />
          <span class="sr-only">{t("studies.all")}</span>
        </a>
        <h1>{study.name}</h1>
        <Badges study={study} />
      </header>
      <p class="quiet study-facts">
        {[
          t(study.kind === "arena" ? "arena" : "study"),
          study.kind === "study" ? tn("prompts.count", study.prompts) : "",
          study.kind === "study" ? t(`running.${study.mode}`) : "",
          t("made-at", { time: moment(study.created_at) }),
          study.closed_at === null ? "" : t("study.closed-at", { time: moment(study.closed_at) }),
        ]
          .filter(Boolean)
          .join(" · ")}
      </p>
      <Actions study={study} />
      <div class="study-parts">
        <section class="study-results" aria-labelledby="results-title">
          <h2 id="results-title">{t("results")}</h2>
          <ResultsPart study={study} />
        </section>
        <Made study={study} />
      </div>
    </div>
  );
}
