/** Clips that play in step: all begin at once, go by the longest of them, and begin again together. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { number, t } from "../i18n";
import { register } from "../state/shortcuts";
import { Button, IconButton } from "../ui/button";
import { still } from "../ui/motion";

/** Seconds that a clip may be away from the others before it is put right. */
const MOST_APART = 0.06;

/** What was watched of a task: when it was shown in milliseconds, seconds of playing, and fresh starts. */
export interface Meter {
  began: number;
  watched: number;
  replays: number;
}

export function newMeter(): Meter {
  return { began: performance.now(), watched: 0, replays: 0 };
}

/** Where a clip stands: left and right of two, a number of several. */
export function placeName(place: number, of: number): string {
  if (of === 1) return t("clip");
  if (of === 2) return t(place === 0 ? "clip.left" : "clip.right");
  return t("clip.n", { n: place + 1 });
}

function longest(players: HTMLVideoElement[]): HTMLVideoElement {
  return players.reduce((most, one) => (one.duration > most.duration ? one : most));
}

interface ClipsProps {
  videos: string[];
  meter: Meter;
  /** Called when all of them can be seen. */
  onReady?: () => void;
  /** What to do where one could not be loaded; it is tried again if nothing else. */
  onRetry?: () => void;
  /** What stands on a clip in place of where it is, once it may be told. */
  captions?: string[] | undefined;
  /** The place that was chosen. */
  chosen?: number | undefined;
}

export function Clips({ videos, meter, onReady, onRetry, captions, chosen }: ClipsProps) {
  const box = useRef<HTMLDivElement>(null);
  const bar = useRef<HTMLInputElement>(null);
  const [there, setThere] = useState<ReadonlySet<number>>(new Set());
  const [failed, setFailed] = useState(false);
  const [again, setAgain] = useState(0);
  const [playing, setPlaying] = useState(!still.peek());
  const ready = there.size === videos.length;
  const players = () => [...box.current!.querySelectorAll("video")];

  const seek = (seconds: number) => {
    for (const player of players()) player.currentTime = Math.min(seconds, player.duration);
  };
  const restart = () => {
    if (!ready) return;
    seek(0);
    meter.replays += 1;
    for (const player of players()) void player.play().catch(() => undefined);
    setPlaying(true);
  };

  useLayoutEffect(() => {
    if (ready) onReady?.();
  }, [ready]);

  useEffect(() => {
    if (!ready) return;
    const all = players();
    const leader = longest(all);
    const show = () => {
      if (!bar.current) return;
      bar.current.max = String(leader.duration);
      bar.current.value = String(leader.currentTime);
    };
    show();
    if (!playing) {
      for (const player of all) player.pause();
      return;
    }
    for (const player of all) if (!player.ended || player === leader) void player.play().catch(() => setPlaying(false));
    let last = leader.currentTime;
    let frame = 0;
    const look = () => {
      const now = leader.currentTime;
      if (now > last) meter.watched += now - last;
      last = now;
      if (leader.ended) {
        restart();
        last = 0;
      } else
        for (const player of all) {
          const wanted = Math.min(now, player.duration);
          if (player !== leader && !player.seeking && Math.abs(player.currentTime - wanted) > MOST_APART) player.currentTime = wanted;
        }
      show();
      frame = requestAnimationFrame(look);
    };
    frame = requestAnimationFrame(look);
    return () => cancelAnimationFrame(frame);
  }, [ready, playing]);

  useEffect(
    () =>
      register([
        { keys: "Space", does: "keys.play", run: () => setPlaying((now) => !now) },
        { keys: "r", does: "keys.again", run: restart },
      ]),
    [ready],
  );

  return (
    <section class={`clips ${videos.length === 1 ? "is-single" : ""}`} aria-label={t("clips")} data-ready={ready ? "yes" : undefined}>
      <div class={`clip-pictures of-${Math.min(videos.length, 3)}`} ref={box} key={again}>
        {videos.map((address, place) => (
          <figure key={address} class={chosen === place ? "is-chosen" : ""}>
            <video
              src={address}
              muted
              playsInline
              preload="auto"
              aria-label={placeName(place, videos.length)}
              onCanPlay={() => setThere((now) => (now.has(place) ? now : new Set(now).add(place)))}
              onError={() => setFailed(true)}
              onClick={() => setPlaying(!playing)}
            />
            {videos.length > 1 || captions ? (
              <figcaption>
                {captions?.[place] ? <strong>{captions[place]}</strong> : <span>{placeName(place, videos.length)}</span>}
                {chosen === place ? <span class="clip-chosen">{t("clip.chosen")}</span> : null}
              </figcaption>
            ) : null}
          </figure>
        ))}
      </div>
      {failed ? (
        <div class="clip-failed" role="alert">
          <p>{t("clip.failed")}</p>
          <Button
            onClick={() => {
              if (onRetry) return onRetry();
              setFailed(false);
              setThere(new Set());
              setAgain(again + 1);
            }}
          >
            {t("try-again")}
          </Button>
        </div>
      ) : (
        <div class="transport">
          <IconButton icon="back-to" label={t("keys.again")} disabled={!ready} onClick={restart} />
          <IconButton
            icon={playing ? "pause" : "play"}
            label={t(playing ? "pause" : "play")}
            disabled={!ready}
            onClick={() => setPlaying(!playing)}
          />
          <input
            ref={bar}
            type="range"
            min={0}
            step="any"
            disabled={!ready}
            aria-label={t("compare.position")}
            onInput={(event) => {
              const seconds = Number(event.currentTarget.value);
              setPlaying(false);
              seek(seconds);
              event.currentTarget.setAttribute("aria-valuetext", t("facts.seconds", { s: number(seconds) }));
            }}
          />
          {ready ? null : <span class="quiet">{t("loading")}</span>}
        </div>
      )}
    </section>
  );
}
