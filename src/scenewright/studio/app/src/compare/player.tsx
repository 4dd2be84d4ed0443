/** Two videos in step: side by side, over each other, or their difference; frame by frame. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { content } from "../api/videos";
import type { Video } from "../api/types";
import { number, t } from "../i18n";
import { complain } from "../state/saying";
import { register } from "../state/shortcuts";
import { IconButton } from "../ui/button";
import { Segments } from "../ui/field";
import { drawBlend, drawDifference, drawOne } from "./drawing";
import { FrameSource } from "./frame-source";

type Mode = "side" | "overlay" | "difference";
const GAINS = ["1", "4", "16"] as const;

function useSource(video: Video): FrameSource {
  const source = useMemo(() => new FrameSource(content(video.id), video.fps, video.num_frames), [video.id]);
  useEffect(() => {
    source.fetchAll().catch((error: Error) => error.message !== "closed" && complain(error));
    return () => source.close();
  }, [source]);
  return source;
}

export function ComparePlayer({ a, b }: { a: Video; b: Video }) {
  const left = useSource(a);
  const right = useSource(b);
  const fps = Math.max(a.fps, b.fps);
  const count = Math.max(1, Math.round(Math.max(a.num_frames / a.fps, b.num_frames / b.fps) * fps));
  const [mode, setMode] = useState<Mode>("side");
  const [frame, setFrame] = useState(0);
  const [playing, setPlaying] = useState(false);
  const [share, setShare] = useState(50);
  const [gain, setGain] = useState<(typeof GAINS)[number]>("1");
  const [mean, setMean] = useState<number | null>(null);
  const first = useRef<HTMLCanvasElement>(null);
  const second = useRef<HTMLCanvasElement>(null);
  const step = (by: number) => {
    setPlaying(false);
    setFrame((now) => (now + by + count) % count);
  };

  useEffect(() => setFrame((now) => Math.min(now, count - 1)), [count]);

  useEffect(() => {
    let stale = false;
    const pick = (source: FrameSource) => source.frame(Math.min(source.count - 1, Math.floor((frame / fps) * source.fps + 1e-6)));
    Promise.all([pick(left), pick(right)]).then(
      ([one, other]) => {
        if (stale || !first.current) return;
        if (mode === "side") {
          drawOne(first.current, one);
          if (second.current) drawOne(second.current, other);
        } else if (mode === "overlay") drawBlend(first.current, one, other, share / 100);
        else setMean(drawDifference(first.current, one, other, Number(gain)));
      },
      () => undefined,
    );
    return () => {
      stale = true;
    };
  }, [left, right, frame, mode, share, gain, fps]);

  useEffect(() => {
    if (!playing) return;
    const timer = window.setInterval(() => setFrame((now) => (now + 1) % count), 1000 / fps);
    return () => window.clearInterval(timer);
  }, [playing, fps, count]);

  useEffect(
    () =>
      register([
        { keys: "Space", does: "keys.play", run: () => setPlaying((now) => !now) },
        { keys: "ArrowLeft", does: "keys.back", run: () => step(-1) },
        { keys: "ArrowRight", does: "keys.forward", run: () => step(1) },
        { keys: "s", does: "compare.side", run: () => setMode("side") },
        { keys: "o", does: "compare.overlay", run: () => setMode("overlay") },
        { keys: "d", does: "compare.difference", run: () => setMode("difference") },
      ]),
    [count],
  );

  const name = (video: Video) => video.title || video.prompt;
  return (
    <section class="compare-player" aria-label={t("compare.two-videos")}>
      <div class={`compare-pictures is-${mode}`}>
        <figure>
          <canvas
            ref={first}
            role="img"
            aria-label={mode === "side" ? `A: ${name(a)}` : t(`compare.${mode}.of`, { a: name(a), b: name(b) })}
          />
          <figcaption>{mode === "side" ? "A" : t(`compare.${mode}`)}</figcaption>
        </figure>
        {mode === "side" ? (
          <figure>
            <canvas ref={second} role="img" aria-label={`B: ${name(b)}`} />
            <figcaption>B</figcaption>
          </figure>
        ) : null}
      </div>
      <div class="transport">
        <IconButton icon="back" label={t("keys.back")} onClick={() => step(-1)} />
        <IconButton icon={playing ? "pause" : "play"} label={t(playing ? "pause" : "play")} onClick={() => setPlaying(!playing)} />
        <IconButton icon="forward" label={t("keys.forward")} onClick={() => step(1)} />
        <input
          type="range"
          min={0}
          max={count - 1}
          value={frame}
          aria-label={t("compare.position")}
          aria-valuetext={t("compare.frame", { n: frame + 1, of: count })}
          onInput={(event) => {
            setPlaying(false);
            setFrame(Number(event.currentTarget.value));
          }}
        />
        <output class="transport-time">{t("compare.frame", { n: frame + 1, of: count })}</output>
      </div>
      <div class="compare-modes">
        <Segments<Mode>
          label={t("compare.how")}
          value={mode}
          choices={(["side", "overlay", "difference"] as const).map((one) => ({ value: one, label: t(`compare.${one}`) }))}
          onValue={setMode}
        />
        {mode === "overlay" ? (
          <label class="blend">
            <span>A</span>
            <input
              type="range"
              min={0}
              max={100}
              value={share}
              aria-label={t("compare.share")}
              aria-valuetext={`${share} % B`}
              onInput={(event) => setShare(Number(event.currentTarget.value))}
            />
            <span>B</span>
          </label>
        ) : null}
        {mode === "difference" ? (
          <>
            <Segments
              label={t("compare.gain")}
              value={gain}
              choices={GAINS.map((one) => ({ value: one, label: `× ${one}` }))}
              onValue={setGain}
            />
            {mean === null ? null : <p class="quiet">{t("compare.mean", { value: number(mean) })}</p>}
          </>
        ) : null}
      </div>
    </section>
  );
}
