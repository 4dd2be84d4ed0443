/** Answering a study: one task after the other, blind, each with its clips in step. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/http";
import { giveAnswer, nextTask } from "../api/studies";
import type { Answer, Next, Study, Task } from "../api/study-types";
import { t, tn } from "../i18n";
import { href } from "../router";
import { announce, complain } from "../state/saying";
import { register } from "../state/shortcuts";
import { Button } from "../ui/button";
import { Empty } from "../ui/empty";
import { Answering } from "./answering";
import { useAsked } from "./asking";
import { Clips, newMeter, type Meter } from "./clips";
import { refreshStudy } from "./listing";

export function given(meter: Meter): { seconds: number; watched: number; replays: number } {
  return { seconds: (performance.now() - meter.began) / 1000, watched: meter.watched, replays: meter.replays };
}

interface OneProps {
  task: Task;
  busy: boolean;
  onAnswer: (answer: Answer, meter: Meter) => void;
  /** A video may be gone meanwhile, and something else be asked. */
  onRetry: () => void;
}

function One({ task, busy, onAnswer, onRetry }: OneProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const meter = useRef(newMeter());
  const [ready, setReady] = useState(false);
  useEffect(() => heading.current?.focus(), []);
  const answer = useCallback((value: Answer) => (ready ? onAnswer(value, meter.current) : undefined), [onAnswer, ready]);
  return (
    <section class="task" aria-labelledby="question">
      <header class="task-head">
        <h2 id="question" ref={heading} tabIndex={-1}>
          {task.check ? t(`check.${task.check}`) : task.text}
        </h2>
        <p class="task-prompt">{task.prompt}</p>
      </header>
      <Clips videos={task.videos} meter={meter.current} onReady={() => setReady(true)} onRetry={onRetry} />
      <Answering task={task} busy={busy || !ready} onAnswer={answer} />
    </section>
  );
}

function Done({ study, done }: { study: Study; done: number }) {
  const closed = study.closed_at !== null;
  const heard = study.manage || closed;
  useEffect(() => announce(t(closed ? "vote.closed" : "vote.done")), [closed]);
  return (
    <Empty icon={closed ? "locked" : "check"} title={t(closed ? "vote.closed" : "vote.done")}>
      <p>{closed ? t("vote.closed.do") : done ? tn("vote.done.count", done) : t("vote.nothing")}</p>
      <a class="button main" href={href("studies", heard ? [study.id] : [])}>
        <span>{t(heard ? "results.see" : "studies.all")}</span>
      </a>
    </Empty>
  );
}

export function StudyVote({ study, rater }: { study: Study; rater: string | null }) {
  const [next, setNext] = useState<Next | null>(null);
  const [before, setBefore] = useState<Task | null>(null);
  /** Counts up with every task that is shown, also when one is shown again. */
  const [turn, setTurn] = useState(0);
  const [busy, setBusy] = useState(false);
  const held = useRef(false);
  const closed = study.closed_at !== null;
  const learn = async () => {
    if (closed) return;
    const found = await nextTask(study.id, rater);
    setNext(found);
    setTurn((now) => now + 1);
  };
  const [failed, ask] = useAsked(() => {
    setNext(null);
    setBefore(null);
    return learn();
  }, [study.id, rater, closed]);

  const task = next?.task ?? null;
  const answer = useCallback(
    async (value: Answer, meter: Meter) => {
      if (!task || held.current) return;
      held.current = true;
      setBusy(true);
      try {
        await giveAnswer(study.id, { task: task.id, answer: value, ...(rater ? { rater } : {}), ...given(meter) });
        announce(t("vote.taken"));
        setBefore(task);
        await learn();
      } catch (error) {
        complain(error);
        if (error instanceof ApiError && error.status === 409) void refreshStudy(study.id).catch(() => undefined);
      } finally {
        held.current = false;
        setBusy(false);
      }
    },
    [task, rater, closed],
  );
  const back = () => {
    if (!before || !next || held.current) return;
    setNext({ ...next, task: before });
    setBefore(null);
    setTurn((now) => now + 1);
  };
  useEffect(() => register([{ keys: "z", does: "keys.before", run: back }]), [before, next]);

  if (closed) return <Done study={study} done={study.mine} />;
  if (failed)
    return (
      <Empty icon="warn" title={t("vote.failed")}>
        <p>{failed}</p>
        <Button onClick={ask}>{t("try-again")}</Button>
      </Empty>
    );
  if (!next) return <p class="quiet">{t("loading")}</p>;
  return (
    <>
      {task ? (
        <One key={turn} task={task} busy={busy} onAnswer={answer} onRetry={() => void learn().catch(complain)} />
      ) : (
        <Done study={study} done={next.done} />
      )}
      <footer class="task-foot">
        <span class="quiet">{tn("vote.given", next.done)}</span>
        {before ? (
          <Button kind="quiet" icon="reuse" onClick={back}>
            {t("keys.before")}
          </Button>
        ) : null}
      </footer>
    </>
  );
}
