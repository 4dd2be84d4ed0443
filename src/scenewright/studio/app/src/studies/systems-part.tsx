/** The part of the form that says which videos are compared, and what tells the systems apart. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { content, getVideo, listVideos } from "../api/videos";
import type { Video } from "../api/types";
import { isGrid } from "../compare/grid";
import { moment, t, tn, type Key } from "../i18n";
import { complain } from "../state/saying";
import { all, put, video as videoOf } from "../state/videos";
import { Button } from "../ui/button";
import { Field, Wrong } from "../ui/field";
import { Icon } from "../ui/icons";
import { ChooseMany } from "./choose";
import { commonPrompts, lackedPrompts, LETTERS, splits, systemsOf, type Split, type Systems } from "./splitting";

const MOST_SHOWN = 6;

function splitName(split: Split): string {
  if (split === "hand" || split === "all" || split === "tag") return t(`split.${split}`);
  if (split === "flow_shift") return t("shift");
  if (split === "fast") return t("split.fast");
  return t(`axis.${split}` as Key);
}

function Thumbs({ ids }: { ids: string[] }) {
  return (
    <span class="thumbs" aria-hidden="true">
      {ids.slice(0, MOST_SHOWN).map((id) => (
        <img key={id} src={content(id, "thumbnail")} alt="" loading="lazy" />
      ))}
      {ids.length > MOST_SHOWN ? <span class="thumbs-more">+{ids.length - MOST_SHOWN}</span> : null}
    </span>
  );
}

function ByHand(props: { videos: Video[]; hand: Record<string, string>; onPut: (id: string, system: string) => void }) {
  const used = new Set(Object.values(props.hand));
  const letters = [...LETTERS].filter((letter, at) => at < 2 || used.has(letter) || used.has(LETTERS[at - 1]!));
  return (
    <ul class="by-hand">
      {props.videos.map((video) => (
        <li key={video.id}>
          <img src={content(video.id, "thumbnail")} alt="" loading="lazy" />
          <span class="by-hand-words">{video.title || video.prompt}</span>
          <select
            aria-label={t("split.system-of", { prompt: video.title || video.prompt })}
            value={props.hand[video.id] ?? ""}
            onChange={(event) => props.onPut(video.id, event.currentTarget.value)}
          >
            <option value="">{t("split.none")}</option>
            {letters.map((letter) => (
              <option key={letter} value={letter}>
                {letter}
              </option>
            ))}
          </select>
        </li>
      ))}
    </ul>
  );
}

/** The finished videos of a grid, or those of some ids. */
async function fetchChosen(batch: string | null, ids: string[]): Promise<string[]> {
  if (batch) {
    const page = await listVideos({ batch, status: ["completed"], limit: 100 });
    page.data.forEach(put);
    return page.data.map((video) => video.id);
  }
  const found = await Promise.all(ids.map((id) => videoOf(id) ?? getVideo(id)));
  found.forEach(put);
  return found.map((video) => video.id);
}

interface Props {
  grid: string | null;
  videos: string[];
  error: string | null;
  /** Told with null while two of them have the same name, which is said here. */
  onSystems: (systems: Systems | null, prompts: number) => void;
}

export function SystemsPart({ grid, videos: given, error, onSystems }: Props) {
  const [ids, setIds] = useState<string[]>([]);
  const [chosen, setChosen] = useState<Split | null>(null);
  const [hand, setHand] = useState<Record<string, string>>({});
  const [names, setNames] = useState<Record<string, string>>({});
  const [open, setOpen] = useState(false);
  const start = (batch: string | null, some: string[]) =>
    void fetchChosen(batch, some).then((found) => {
      setIds(found);
      setChosen(null);
      setNames({});
    }, complain);
  useEffect(() => {
    if (grid || given.length) start(grid, given);
  }, []);

  const videos = ids.flatMap((id) => videoOf(id) ?? []).filter((video) => video.status === "completed");
  const ways = videos.length ? splits(videos) : [];
  const split = chosen && ways.includes(chosen) ? chosen : (ways[0] ?? "hand");
  const systems = systemsOf(videos, split, hand);
  const labels = Object.keys(systems);
  const named: Systems = {};
  for (const label of labels) {
    const name = (names[label] ?? label).trim();
    named[name] = [...(named[name] ?? []), ...systems[label]!];
  }
  const twice = Object.keys(named).length < labels.length;
  const common = commonPrompts(systems, videos);
  const lacked = lackedPrompts(systems, videos);
  const told = JSON.stringify([named, common.length, twice]);
  useEffect(() => onSystems(twice ? null : named, common.length), [told]);

  const grids = useMemo(
    () => [...new Map(all.peek().flatMap((video) => (isGrid(video.batch) && video.status === "completed" ? [[video.batch, video] as const] : [])))],
    [all.value.length],
  );

  return (
    <fieldset class="form-part">
      <legend>{t("systems")}</legend>
      <p class="hint">{t("systems.hint")}</p>
      <div class="systems-tools">
        <Button icon="library" onClick={() => setOpen(true)}>
          {videos.length ? tn("systems.chosen", videos.length) : t("choose.videos")}
        </Button>
        {grids.length ? (
          <select class="grid-select" aria-label={t("systems.grid")} value="" onChange={(event) => start(event.currentTarget.value, [])}>
            <option value="">{t("systems.grid")}</option>
            {grids.map(([batch, video]) => (
              <option key={batch} value={batch}>
                {`${video.prompt} · ${moment(video.created_at)}`}
              </option>
            ))}
          </select>
        ) : null}
      </div>
      {videos.length ? (
        <>
          <Field label={t("split")} hint={split === "hand" ? t("split.hand.hint") : undefined}>
            <select value={split} onChange={(event) => setChosen(event.currentTarget.value as Split)}>
              {ways.map((way) => (
                <option key={way} value={way}>
                  {splitName(way)}
                </option>
              ))}
            </select>
          </Field>
          {split === "hand" ? <ByHand videos={videos} hand={hand} onPut={(id, system) => setHand({ ...hand, [id]: system })} /> : null}
          {labels.length ? (
            <ul class="systems">
              {labels.map((label, at) => (
                <li key={label}>
                  <Field label={t("systems.name", { n: at + 1 })} aside={<span class="quiet">{tn("count.videos", systems[label]!.length)}</span>}>
                    <input
                      type="text"
                      maxLength={80}
                      value={names[label] ?? label}
                      onInput={(event) => setNames({ ...names, [label]: event.currentTarget.value })}
                    />
                  </Field>
                  <Thumbs ids={systems[label]!} />
                </li>
              ))}
            </ul>
          ) : null}
          <p class={`common ${common.length ? "is-good" : "is-bad"}`} role="status">
            <Icon name={common.length ? "check" : "warn"} size={16} />
            <span>{common.length ? tn("systems.common", common.length) : t("systems.no-common")}</span>
          </p>
          {common.length && lacked.length ? (
            <details class="more">
              <summary>{tn("systems.lacked", lacked.length)}</summary>
              <ul class="lacked">
                {lacked.map(({ prompt, by }) => (
                  <li key={prompt}>
                    {prompt} <span class="quiet">{t("systems.lacked.by", { systems: by.map((label) => names[label] ?? label).join(", ") })}</span>
                  </li>
                ))}
              </ul>
            </details>
          ) : null}
          {twice ? <Wrong text={t("systems.twice")} /> : null}
        </>
      ) : null}
      <Wrong text={error} />
      {open ? (
        <ChooseMany
          chosen={ids}
          onClose={() => setOpen(false)}
          onDone={(next) => {
            setOpen(false);
            start(null, next);
          }}
        />
      ) : null}
    </fieldset>
  );
}
