/** The queue: what is made now and what waits, moved by dragging, by buttons or by Alt and the arrows. */
import { useRef, useState } from "preact/hooks";
import { moveVideo } from "../api/videos";
import type { Video } from "../api/types";
import { t, tn } from "../i18n";
import { announce, complain } from "../state/saying";
import { failures, put, queue } from "../state/videos";
import { refresh } from "../api/events";
import { remove } from "../library/listing";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icons";
import { ProgressLine } from "../ui/progress";
import { Commands } from "./commands";
import { onStage } from "./submitting";

function waiting(): Video[] {
  return queue.peek().filter((video) => video.status === "queued" && !video.paused);
}

/** Puts `id` at place `to` among those that wait. */
async function place(id: string, to: number): Promise<void> {
  const rest = waiting().filter((video) => video.id !== id);
  const before = rest[to]?.id ?? null;
  try {
    put(await moveVideo(id, before));
    await refresh();
    const at = waiting().findIndex((video) => video.id === id);
    announce(t("said.moved", { n: at + 1, of: waiting().length }));
  } catch (error) {
    complain(error);
  }
}

function Row({ video, at, of }: { video: Video; at: number; of: number }) {
  const row = useRef<HTMLLIElement>(null);
  const [target, setTarget] = useState(false);
  const movable = at >= 0;
  const shift = async (by: number) => {
    const to = at + by;
    if (!movable || to < 0 || to >= of) return;
    const focused = document.activeElement;
    await place(video.id, to);
    if (focused instanceof HTMLElement && focused.isConnected) focused.focus();
  };
  return (
    <li
      ref={row}
      class={`queue-row ${target ? "is-target" : ""}`}
      draggable={movable}
      data-id={video.id}
      onDragStart={(event) => {
        event.dataTransfer?.setData("application/x-scenewright-video", video.id);
      }}
      onDragOver={(event) => {
        if (movable && event.dataTransfer?.types.includes("application/x-scenewright-video")) {
          event.preventDefault();
          setTarget(true);
        }
      }}
      onDragLeave={() => setTarget(false)}
      onDrop={(event) => {
        setTarget(false);
        const id = event.dataTransfer?.getData("application/x-scenewright-video");
        if (!id || id === video.id) return;
        event.preventDefault();
        void place(id, at);
      }}
      onKeyDown={(event) => {
        if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
        event.preventDefault();
        void shift(event.key === "ArrowUp" ? -1 : 1);
      }}
    >
      <span class="queue-grip" aria-hidden="true">
        {movable ? <Icon name="grip" size={18} /> : null}
      </span>
      <button type="button" class="queue-main" onClick={() => (onStage.value = video.id)}>
        <span class="queue-thumb">{video.preview ? <img src={video.preview} alt="" /> : <Icon name="make" size={18} />}</span>
        <span class="queue-words">
          <span class="queue-prompt">{video.title || video.prompt}</span>
          <ProgressLine video={video} />
        </span>
      </button>
      <span class="queue-tools">
        {movable && of > 1 ? (
          <>
            <IconButton icon="up" label={t("move-up", { prompt: video.prompt })} disabled={at === 0} onClick={() => void shift(-1)} />
            <IconButton
              icon="down"
              label={t("move-down", { prompt: video.prompt })}
              disabled={at === of - 1}
              onClick={() => void shift(1)}
            />
          </>
        ) : null}
        <Commands video={video} small />
      </span>
    </li>
  );
}

function Failed({ video }: { video: Video }) {
  return (
    <li class="queue-row is-failed" data-id={video.id}>
      <span class="queue-thumb">
        <Icon name="warn" size={18} />
      </span>
      <span class="queue-words">
        <span class="queue-prompt">{video.title || video.prompt}</span>
        <span class="wrong">{video.error?.message}</span>
      </span>
      <span class="queue-tools">
        <Commands video={video} small />
        <IconButton icon="trash" label={t("delete")} onClick={() => void remove(video)} />
      </span>
    </li>
  );
}

export function Queue() {
  const rows = queue.value;
  const ids = rows.filter((video) => video.status === "queued" && !video.paused).map((video) => video.id);
  return (
    <section class="queue" aria-labelledby="queue-title">
      <header class="section-head">
        <h2 id="queue-title">{t("queue")}</h2>
        <span class="quiet">{rows.length ? tn("queue.count", rows.length) : ""}</span>
      </header>
      {rows.length ? (
        <ul class="queue-list">
          {rows.map((video) => (
            <Row key={video.id} video={video} at={ids.indexOf(video.id)} of={ids.length} />
          ))}
        </ul>
      ) : (
        <p class="quiet">{t("queue.empty")}</p>
      )}
      {failures.value.length ? (
        <>
          <h3>{t("failed")}</h3>
          <ul class="queue-list">
            {failures.value.map((video) => (
              <Failed key={video.id} video={video} />
            ))}
          </ul>
        </>
      ) : null}
    </section>
  );
}
