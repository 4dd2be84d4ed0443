/** Studies: which videos or settings people find better. A list, the making of one, one of them, and its votes. */
import { useEffect } from "preact/hooks";
import { getStudy } from "../api/studies";
import { t } from "../i18n";
import { href, place } from "../router";
import { Button } from "../ui/button";
import { Empty } from "../ui/empty";
import { ArenaForm } from "./arena-form";
import { ArenaVote } from "./arena-vote";
import { useAsked } from "./asking";
import { StudyList } from "./list";
import { leavingName, refreshStudy, study as studyOf, take } from "./listing";
import { WithRater } from "./rater";
import { StudyForm } from "./study-form";
import { StudyView } from "./study-view";
import { StudyVote } from "./study-vote";

function One({ id, voting }: { id: string; voting: boolean }) {
  const [failed, ask] = useAsked(() => getStudy(id).then(take), [id]);
  const study = studyOf(id);
  // What others have answered meanwhile is known when one comes back from voting.
  useEffect(() => {
    if (!voting && studyOf(id)) void refreshStudy(id).catch(() => undefined);
  }, [voting]);
  const deleted = leavingName(id);
  if (deleted !== null)
    return (
      <>
        <h1 class="sr-only">{t("page.studies")}</h1>
        <Empty icon="trash" title={t("deleted", { prompt: deleted })}>
          <a href={href("studies")}>{t("studies.all")}</a>
        </Empty>
      </>
    );
  if (!study)
    return failed ? (
      <>
        <h1 class="sr-only">{t("page.studies")}</h1>
        <Empty icon="warn" title={t("study.failed")}>
          <p>{failed}</p>
          <Button onClick={ask}>{t("try-again")}</Button>
          <a href={href("studies")}>{t("studies.all")}</a>
        </Empty>
      </>
    ) : (
      <>
        <h1 class="sr-only">{t("page.studies")}</h1>
        <p class="quiet">{t("loading")}</p>
      </>
    );
  if (!voting) return <StudyView study={study} />;
  return (
    <WithRater study={study}>
      {(rater) => (study.kind === "arena" ? <ArenaVote study={study} rater={rater} /> : <StudyVote study={study} rater={rater} />)}
    </WithRater>
  );
}

export function StudiesPage() {
  const [first, second] = place.value.rest;
  if (!first) return <StudyList />;
  if (first === "new") return second === "arena" ? <ArenaForm /> : <StudyForm key={place.value.values.toString()} />;
  return <One key={first} id={first} voting={second === "vote"} />;
}
