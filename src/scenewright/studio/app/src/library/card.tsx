/** One video of the library: plays while it is pointed at or focused, opens at a click. */
import { useRef, useState } from "preact/hooks";
import { content } from "../api/videos";
import type { Video } from "../api/types";
import { number, t } from "../i18n";
import { href } from "../router";
import { Icon } from "../ui/icons";
import { still } from "../ui/motion";
import { pick, picked } from "./listing";

export function Card({ video }: { video: Video }) {
  const player = useRef<HTMLVideoElement>(null);
  const [near, setNear] = useState(false);
  const [playing, setPlaying] = useState(false);
  const start = () => !still.peek() && setNear(true);
  const stop = () => {
    setNear(false);
    setPlaying(false);
  };
  const chosen = picked.value.includes(video.id);
  return (
    <li class={`card ${chosen ? "is-picked" : ""}`}>
      <a
        class="card-picture"
        href={href("library", [video.id])}
        onPointerEnter={start}
        onPointerLeave={stop}
        onFocus={start}
        onBlur={stop}
        aria-label={t("open-video", { prompt: video.title || video.prompt })}
        data-playing={playing ? "yes" : undefined}
      >
        <img src={content(video.id, "thumbnail")} alt="" loading="lazy" />
        {near ? (
          <video
            ref={player}
            src={content(video.id)}
            muted
            loop
            autoplay
            playsInline
            tabIndex={-1}
            aria-hidden="true"
            onPlaying={() => setPlaying(true)}
          />
        ) : null}
        <span class="card-length">{t("facts.seconds", { s: number(Number(video.seconds)) })}</span>
      </a>
      <div class="card-words">
        <p class="card-prompt">{video.title || video.prompt}</p>
        <p class="card-facts">
          {video.model} · {video.size?.replace("x", " × ")}
          {video.remixed_from_video_id ? (
            <span title={t("is-remix")}>
              {" "}
              <Icon name="remix" size={14} />
            </span>
          ) : null}
        </p>
        {video.tags.length ? (
          <ul class="tags" aria-label={t("tags")}>
            {video.tags.map((one) => (
              <li key={one} class="tag">
                {one}
              </li>
            ))}
          </ul>
        ) : null}
      </div>
      <label class="card-pick">
        <input type="checkbox" checked={chosen} onChange={() => pick(video.id)} />
        <span>{t("compare.pick")}</span>
        <span class="sr-only">{video.title || video.prompt}</span>
      </label>
    </li>
  );
}
