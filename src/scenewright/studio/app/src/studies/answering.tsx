/** The answers that each kind of question takes: by button and by key. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Answer, Task } from "../api/study-types";
import { t } from "../i18n";
import { announce } from "../state/saying";
import { register, type Shortcut } from "../state/shortcuts";
import { Button, IconButton } from "../ui/button";
import { Field } from "../ui/field";
import { Icon } from "../ui/icons";
import { placeName } from "./clips";

interface Props {
  task: Pick<Task, "kind" | "ties" | "scale" | "choices" | "videos">;
  busy: boolean;
  onAnswer: (answer: Answer) => void;
}

const DRAGGED = "application/x-scenewright-place";

/** Keys that hold for as long as one answers, with what they mean as of the last drawing. */
function useKeys(runs: Record<string, () => void>): void {
  const now = useRef(runs);
  now.current = runs;
  useEffect(
    () =>
      register(
        Object.keys(now.current).map((keys): Shortcut => ({
          keys,
          does: "vote",
          run: (event) => (event.repeat ? undefined : now.current[keys]?.()),
        })),
      ),
    [],
  );
}

function Key({ name }: { name: string }) {
  return (
    <kbd class="answer-key" aria-hidden="true">
      {name}
    </kbd>
  );
}

function Compare({ task, busy, onAnswer }: Props) {
  const tie = () => (task.ties ? onAnswer("tie") : undefined);
  useKeys({
    "1": () => onAnswer("first"),
    ArrowLeft: () => onAnswer("first"),
    "2": () => onAnswer("second"),
    ArrowRight: () => onAnswer("second"),
    "0": tie,
    t: tie,
  });
  return (
    <div class={`answers of-compare ${task.ties ? "has-tie" : ""}`} role="group" aria-label={t("answer")}>
      <button type="button" class="answer" aria-disabled={busy} onClick={() => onAnswer("first")}>
        <Key name="1" />
        <span>{t("answer.left")}</span>
      </button>
      {task.ties ? (
        <button type="button" class="answer" aria-disabled={busy} onClick={tie}>
          <Key name="0" />
          <span>{t("answer.tie")}</span>
        </button>
      ) : null}
      <button type="button" class="answer" aria-disabled={busy} onClick={() => onAnswer("second")}>
        <Key name="2" />
        <span>{t("answer.right")}</span>
      </button>
    </div>
  );
}

/** The best first: dragged, moved by buttons or Alt and the arrows, or named one after the other by their numbers. */
function Rank({ task, busy, onAnswer }: Props) {
  const of = task.videos.length;
  const [order, setOrder] = useState(() => task.videos.map((_, place) => place));
  const [named, setNamed] = useState(0);
  const [target, setTarget] = useState<number | null>(null);
  const list = useRef<HTMLOListElement>(null);
  const send = useRef<HTMLDivElement>(null);
  const move = (place: number, to: number) => {
    if (to < 0 || to >= of) return;
    const rest = order.filter((other) => other !== place);
    setOrder([...rest.slice(0, to), place, ...rest.slice(to)]);
    announce(t("rank.said", { clip: placeName(place, of), n: to + 1, of }));
  };
  const name = (place: number) => {
    if (place >= of || order.indexOf(place) < named) return;
    move(place, named);
    // The last one has no choice left.
    if (named + 2 >= of) send.current?.querySelector("button")?.focus();
    setNamed(named + 1);
  };
  useKeys(Object.fromEntries(task.videos.slice(0, 9).map((_, place) => [String(place + 1), () => name(place)])));
  return (
    <div class="answers of-rank">
      <p class="hint" id="rank-hint">
        {t("rank.hint")}
      </p>
      <ol class="ranking" ref={list} aria-describedby="rank-hint">
        {order.map((place, at) => (
          <li
            key={place}
            class={`rank-row ${target === at ? "is-target" : ""}`}
            draggable
            onDragStart={(event) => event.dataTransfer?.setData(DRAGGED, String(place))}
            onDragOver={(event) => {
              if (!event.dataTransfer?.types.includes(DRAGGED)) return;
              event.preventDefault();
              setTarget(at);
            }}
            onDragLeave={() => setTarget(null)}
            onDrop={(event) => {
              setTarget(null);
              const dragged = event.dataTransfer?.getData(DRAGGED);
              if (!dragged) return;
              event.preventDefault();
              move(Number(dragged), at);
            }}
            onKeyDown={(event) => {
              if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
              event.preventDefault();
              const focused = document.activeElement;
              move(place, at + (event.key === "ArrowUp" ? -1 : 1));
              requestAnimationFrame(() => focused instanceof HTMLElement && focused.isConnected && focused.focus());
            }}
          >
            <span class="rank-grip" aria-hidden="true">
              <Icon name="grip" size={18} />
            </span>
            <span class="rank-number">{at + 1}</span>
            <span class="rank-name">{placeName(place, of)}</span>
            <span class="rank-tools">
              <IconButton
                icon="up"
                label={t("rank.up", { clip: placeName(place, of) })}
                aria-disabled={at === 0}
                onClick={() => move(place, at - 1)}
              />
              <IconButton
                icon="down"
                label={t("rank.down", { clip: placeName(place, of) })}
                aria-disabled={at === of - 1}
                onClick={() => move(place, at + 1)}
              />
            </span>
          </li>
        ))}
      </ol>
      <div ref={send}>
        <Button kind="main" icon="check" aria-disabled={busy} onClick={() => onAnswer(order)}>
          {t("rank.send")}
        </Button>
      </div>
    </div>
  );
}

function Rate({ task, busy, onAnswer }: Props) {
  const values = Array.from({ length: task.scale }, (_, at) => at + 1);
  useKeys(Object.fromEntries(values.slice(0, 10).map((value) => [String(value % 10), () => onAnswer(value)])));
  return (
    <div class="answers of-rate" role="group" aria-label={t("answer")}>
      <div class="rate-row">
        {values.map((value) => (
          <button
            key={value}
            type="button"
            class="answer"
            aria-disabled={busy}
            aria-label={value === 1 ? t("rate.worst", { n: value }) : value === task.scale ? t("rate.best", { n: value }) : undefined}
            onClick={() => onAnswer(value)}
          >
            {value}
          </button>
        ))}
      </div>
      <p class="rate-ends" aria-hidden="true">
        <span>{t("rate.low")}</span>
        <span>{t("rate.high")}</span>
      </p>
    </div>
  );
}

function Choices({ task, busy, onAnswer }: Props) {
  useKeys(Object.fromEntries(task.choices.slice(0, 9).map((choice, at) => [String(at + 1), () => onAnswer(choice)])));
  return (
    <div class="answers of-choices" role="group" aria-label={t("answer")}>
      {task.choices.map((choice, at) => (
        <button key={choice} type="button" class="answer" aria-disabled={busy} onClick={() => onAnswer(choice)}>
          {at < 9 ? <Key name={String(at + 1)} /> : null}
          <span>{choice}</span>
        </button>
      ))}
    </div>
  );
}

function Words({ busy, onAnswer }: Props) {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState<string | null>(null);
  const send = () => {
    if (text.trim()) onAnswer(text.trim());
    else setWrong(t("words.needed"));
  };
  useKeys({});
  return (
    <div
      class="answers of-words"
      onKeyDown={(event) => {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        send();
      }}
    >
      <Field label={t("answer")} error={wrong}>
        <textarea
          rows={3}
          maxLength={4000}
          value={text}
          onInput={(event) => {
            setText(event.currentTarget.value);
            setWrong(null);
          }}
        />
      </Field>
      <Button kind="main" icon="check" aria-disabled={busy} onClick={send}>
        {t("words.send")}
      </Button>
    </div>
  );
}

const KINDS = { compare: Compare, rank: Rank, rate: Rate } as const;

export function Answering(props: Props) {
  const { kind, choices } = props.task;
  const Kind = kind === "answer" ? (choices.length ? Choices : Words) : KINDS[kind];
  return <Kind {...props} />;
}
