/** A round of an arena: a prompt, two videos of it by settings that are not told, a vote, and then who made which. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/http";
import { getRound, giveAnswer, startRound } from "../api/studies";
import type { Answer, Round, Study } from "../api/study-types";
import { duration, t } from "../i18n";
import { go, href, place } from "../router";
import { announce, complain } from "../state/saying";
import { Button } from "../ui/button";
import { Empty } from "../ui/empty";
import { Field } from "../ui/field";
import { Icon } from "../ui/icons";
import { Answering } from "./answering";
import { Clips, newMeter, placeName } from "./clips";
import { refreshStudy } from "./listing";
import { given } from "./study-vote";
import { contestantWords } from "./words";

const ASK_EVERY = 1000;
const EXAMPLES = ["example.1", "example.2", "example.3"] as const;

function Asking(props: { busy: boolean; error: string | null; again: boolean; onStart: (prompt: string) => void; last: string }) {
  const [prompt, setPrompt] = useState(props.last);
  const [wrong, setWrong] = useState<string | null>(null);
  const box = useRef<HTMLFormElement>(null);
  useEffect(() => {
    const field = box.current?.querySelector("textarea");
    if (!props.again) field?.focus();
  }, []);
  const start = () => {
    if (!prompt.trim()) return setWrong(t("prompt.needed"));
    setWrong(null);
    props.onStart(prompt.trim());
  };
  return (
    <form
      class="arena-form"
      ref={box}
      aria-label={t("arena.round")}
      onSubmit={(event) => {
        event.preventDefault();
        start();
      }}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        start();
      }}
    >
      <Field label={t("prompt")} hint={t("arena.hint")} error={wrong ?? props.error}>
        <textarea
          rows={2}
          value={prompt}
          placeholder={t("prompt.placeholder")}
          onInput={(event) => {
            setPrompt(event.currentTarget.value);
            setWrong(null);
          }}
        />
      </Field>
      <div class="arena-tools">
        <Button kind="main" icon="arena" type="submit" disabled={props.busy} aria-busy={props.busy}>
          {t(props.again ? "arena.next" : "arena.start")}
        </Button>
        {props.again ? null : (
          <ul class="arena-examples" aria-label={t("arena.examples")}>
            {EXAMPLES.map((key) => (
              <li key={key}>
                <button type="button" class="tag is-button" lang="en" onClick={() => setPrompt(t(key))}>
                  {t(key)}
                </button>
              </li>
            ))}
          </ul>
        )}
      </div>
    </form>
  );
}

/** How far each of the two is would tell which has the fewer steps, so it is said of both together. */
function Making({ round }: { round: Round }) {
  const waiting = round.status === "queued";
  return (
    <section class="clips arena-making" aria-label={t("arena.making")}>
      <div class="clip-pictures of-2" aria-hidden="true">
        {([0, 1] as const).map((at) => (
          <figure key={at}>
            <div class="arena-wait">
              <Icon name="make" size={32} />
            </div>
            <figcaption>
              <span>{placeName(at, 2)}</span>
            </figcaption>
          </figure>
        ))}
      </div>
      <progress max={100} value={round.progress} aria-label={t("progress-of", { prompt: round.prompt })} />
      <p class="arena-eta">
        <span>{waiting ? t("phase.queued") : `${t("arena.making")}: ${round.progress} %`}</span>
        <span class="quiet">
          {round.eta_seconds !== null ? t("eta.left", { time: duration(round.eta_seconds) }) : waiting ? t("arena.waits") : t("eta.unknown")}
        </span>
      </p>
    </section>
  );
}

/** `answer`: null where it was given before the page was opened. */
interface Vote {
  names: string[];
  answer: Answer | null;
}

const PLACES: readonly Answer[] = ["first", "second"];

function Revealed({ study, vote }: { study: Study; vote: Vote }) {
  const text = useRef<HTMLHeadingElement>(null);
  const { names, answer } = vote;
  useEffect(() => text.current?.focus(), []);
  return (
    <div class="revealed">
      <h2 ref={text} tabIndex={-1}>
        {answer === null
          ? t("revealed")
          : answer === "tie"
            ? t("revealed.tie")
            : t("revealed.chosen", { name: names[PLACES.indexOf(answer)] ?? "" })}
      </h2>
      <dl>
        {names.map((name, at) => {
          const settings = study.contestants?.[name];
          return (
            <div key={at}>
              <dt>{placeName(at, 2)}</dt>
              <dd>
                <strong>{name}</strong>
                {settings ? <span class="quiet">{contestantWords(settings)}</span> : null}
              </dd>
            </div>
          );
        })}
      </dl>
      <a href={href("studies", [study.id])}>{t("results.see")}</a>
    </div>
  );
}

export function ArenaVote({ study, rater }: { study: Study; rater: string | null }) {
  const task = place.value.rest[2] ?? null;
  const [round, setRound] = useState<Round | null>(null);
  const [wrong, setWrong] = useState<string | null>(null);
  const [vote, setVote] = useState<Vote | null>(null);
  const [busy, setBusy] = useState(false);
  const [ready, setReady] = useState(false);
  const meter = useRef(newMeter());
  const question = useRef<HTMLHeadingElement>(null);
  const shown = round?.task === task ? round : null;
  const made = shown?.status === "completed" && shown.videos.length > 0;
  const closed = study.closed_at !== null;

  useEffect(() => {
    if (!task) return;
    let timer: number | undefined;
    let gone = false;
    const look = async () => {
      try {
        const now = await getRound(study.id, task);
        if (gone) return;
        setRound(now);
        if (now.revealed) setVote((known) => known ?? { names: now.revealed!, answer: null });
        if (now.status === "completed" || now.status === "failed") return;
      } catch (error) {
        if (gone) return;
        if (error instanceof ApiError && error.status === 404) {
          setWrong(error.message);
          return go("studies", [study.id, "vote"]);
        }
      }
      timer = window.setTimeout(() => void look(), ASK_EVERY);
    };
    setReady(false);
    setVote(null);
    void look();
    return () => {
      gone = true;
      window.clearTimeout(timer);
    };
  }, [task, study.id]);

  useEffect(() => {
    if (!made) return;
    meter.current = newMeter();
    announce(t("arena.ready"));
    question.current?.focus();
  }, [made, task]);

  const start = async (prompt: string) => {
    setBusy(true);
    setWrong(null);
    try {
      const started = await startRound(study.id, prompt, rater);
      setRound(started);
      announce(t("arena.started"));
      go("studies", [study.id, "vote", started.task]);
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };

  const answer = async (value: Answer) => {
    if (!shown || vote || busy || !ready) return;
    setBusy(true);
    try {
      const { revealed } = await giveAnswer(study.id, {
        task: shown.task,
        answer: value,
        ...(rater ? { rater } : {}),
        ...given(meter.current),
      });
      const names = revealed ?? [];
      setVote({ names, answer: value });
      announce(t("revealed.said", { left: names[0] ?? "", right: names[1] ?? "" }));
      void refreshStudy(study.id).catch(() => undefined);
    } catch (error) {
      complain(error);
      if (error instanceof ApiError && error.status === 409) void refreshStudy(study.id).catch(() => undefined);
    } finally {
      setBusy(false);
    }
  };

  if (closed && !vote)
    return (
      <Empty icon="locked" title={t("vote.closed")}>
        <p>{t("vote.closed.do")}</p>
        <a class="button main" href={href("studies", [study.id])}>
          <span>{t("results.see")}</span>
        </a>
      </Empty>
    );
  if (task && !shown) return <p class="quiet">{t("loading")}</p>;
  if (!shown || shown.status === "failed") {
    return (
      <Asking
        key={task ?? ""}
        busy={busy}
        error={shown?.error ?? wrong}
        again={false}
        last={shown?.prompt ?? ""}
        onStart={(prompt) => void start(prompt)}
      />
    );
  }
  return (
    <section class="task" aria-labelledby="question">
      <header class="task-head">
        <h2 id="question" ref={question} tabIndex={-1} class={vote ? "is-answered" : ""}>
          {made ? shown.text : t("arena.wait")}
        </h2>
        <p class="task-prompt">{shown.prompt}</p>
      </header>
      {made ? (
        <Clips
          key={shown.task}
          videos={shown.videos}
          meter={meter.current}
          onReady={() => setReady(true)}
          captions={vote?.names}
          chosen={vote?.answer == null ? undefined : PLACES.indexOf(vote.answer)}
        />
      ) : (
        <Making round={shown} />
      )}
      {vote ? (
        <>
          <Revealed study={study} vote={vote} />
          {closed ? null : (
            <Asking
              key={`next ${shown.task}`}
              busy={busy}
              error={wrong}
              again
              last={shown.prompt}
              onStart={(prompt) => void start(prompt)}
            />
          )}
        </>
      ) : made ? (
        <Answering
          task={{ kind: "compare", ties: shown.ties, scale: 5, choices: [], videos: shown.videos }}
          busy={busy || !ready}
          onAnswer={(value) => void answer(value)}
        />
      ) : (
        <p class="hint">{t("arena.meanwhile")}</p>
      )}
    </section>
  );
}
