/** The large picture: the video that is being made as it clears up, or the one chosen. */
import { useComputed } from "@preact/signals";
import { download } from "../api/videos";
import type { Video } from "../api/types";
import { number, t } from "../i18n";
import { href } from "../router";
import { all, queue, video as videoOf } from "../state/videos";
import { Button } from "../ui/button";
import { Icon } from "../ui/icons";
import { Player } from "../ui/player";
import { ProgressLine } from "../ui/progress";
import { Commands } from "./commands";
import { change, draft } from "./draft";
import { onStage } from "./submitting";

const EXAMPLES = ["example.1", "example.2", "example.3"] as const;

function Picture({ video }: { video: Video }) {
  if (video.status === "completed") return <Player key={video.id} video={video} />;
  if (video.preview) return <img class="is-preview" src={video.preview} alt={t("preview-of", { prompt: video.prompt })} />;
  return (
    <div class="stage-wait">
      <Icon name={video.status === "failed" ? "warn" : "make"} size={32} />
    </div>
  );
}

export function facts(video: Video): string {
  return [
    video.model,
    `${video.width} × ${video.height}`,
    t("facts.seconds", { s: number(Number(video.seconds)) }),
    t("facts.seed", { seed: String(video.seed) }),
  ].join(" · ");
}

function Welcome() {
  return (
    <div class="stage-welcome">
      <h2>{t("welcome")}</h2>
      <p>{t("welcome.do")}</p>
      <ul>
        {EXAMPLES.map((key) => (
          <li key={key}>
            <button
              type="button"
              lang="en"
              onClick={() => {
                change({ prompt: t(key) });
                document.getElementById("prompt")?.focus();
              }}
            >
              {t(key)}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

export function Stage() {
  const shown = useComputed<Video | null>(() => {
    const chosen = onStage.value ? videoOf(onStage.value) : null;
    if (chosen) return chosen;
    const first = queue.value[0];
    if (first) return first;
    const rest = all.value.filter((one) => one.status === "completed" || one.status === "failed");
    return rest.sort((a, b) => (b.completed_at ?? b.created_at) - (a.completed_at ?? a.created_at))[0] ?? null;
  }).value;
  if (!shown)
    return (
      <section class="stage is-empty" aria-label={t("stage")}>
        <Welcome />
      </section>
    );
  return (
    <section class="stage" aria-label={t("stage")}>
      <div class="stage-picture">
        <Picture video={shown} />
      </div>
      <div class="stage-caption">
        <div class="stage-words">
          <p class="stage-prompt">{shown.title || shown.prompt}</p>
          <p class="stage-facts">{facts(shown)}</p>
        </div>
        {shown.status === "completed" ? null : <ProgressLine video={shown} />}
        {shown.status === "failed" ? <p class="stage-wrong">{shown.error?.message}</p> : null}
        {shown.notes.map((note) => (
          <p class="stage-note" key={note}>
            {note}
          </p>
        ))}
        <div class="stage-tools">
          <Commands video={shown} />
          {shown.status === "completed" ? (
            <>
              <a class="button plain" href={href("library", [shown.id])}>
                <Icon name="library" size={18} />
                <span>{t("open-in-library")}</span>
              </a>
              <a class="button plain" href={download(shown.id)} download>
                <Icon name="download" size={18} />
                <span>{t("download")}</span>
              </a>
              {draft.value.prompt !== shown.prompt ? (
                <Button icon="reuse" onClick={() => change({ prompt: shown.prompt })}>
                  {t("reuse.prompt")}
                </Button>
              ) : null}
            </>
          ) : null}
        </div>
      </div>
    </section>
  );
}
