/** How far a video is, in words and as a bar. */
import { useEffect, useState } from "preact/hooks";
import type { Video } from "../api/types";
import { duration, t, type Key } from "../i18n";
import { heard } from "../state/videos";

/** Counts down between what the server says; it says it anew with every step. */
function useRemaining(id: string): number | null {
  const [now, setNow] = useState(Date.now());
  const state = heard(id);
  const eta = state?.video.status === "in_progress" ? state.video.eta_seconds : null;
  useEffect(() => {
    if (eta === null) return;
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, [eta === null]);
  return eta === null || !state ? null : Math.max(0, eta - Math.max(0, now - state.at) / 1000);
}

export function phaseText(video: Video): string {
  if (video.paused) return t("phase.paused");
  if (video.status === "queued")
    return video.queue_position ? t("phase.queued-at", { n: video.queue_position }) : t("phase.queued");
  if (video.status !== "in_progress") return t(`status.${video.status}` as Key);
  if (video.phase === "denoise" && video.total_steps)
    return t("phase.step", { step: video.current_step, steps: video.total_steps });
  return t(`phase.${video.phase}`);
}

export function ProgressLine({ video, bar = true }: { video: Video; bar?: boolean }) {
  const remaining = useRemaining(video.id);
  const started = video.status === "in_progress" || video.paused;
  return (
    <div class="progress-line">
      {bar && started ? (
        <progress max={100} value={video.progress} aria-label={t("progress-of", { prompt: video.prompt })} />
      ) : null}
      <span class="progress-words">
        <span>{phaseText(video)}</span>
        {video.status === "in_progress" ? (
          <span>{remaining === null ? t("eta.unknown") : t("eta.left", { time: duration(remaining) })}</span>
        ) : null}
      </span>
    </div>
  );
}
