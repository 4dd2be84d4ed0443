/** How chosen videos become systems: by a setting that differs between them, or by hand. */
import type { Model, Video } from "../api/types";
import { number, t, tn } from "../i18n";
import { model } from "../state/models";

export const WAYS = ["model", "num_inference_steps", "guidance_scale", "flow_shift", "fast", "seed", "tag"] as const;
export type Way = (typeof WAYS)[number];
/** `all`: by everything but the seed that differs. `hand`: as the user says. */
export type Split = Way | "all" | "hand";
export const LETTERS = "ABCDEFGH";

/** What a video was made with, also where that was the model's own. */
function own(video: Video, setting: "steps" | "guidance_scale" | "shift"): number | undefined {
  const of: Model | null = model(video.model);
  return (video.fast ? of?.fast : of?.settings)?.[setting];
}

/** The video's value of a setting as a person says it. */
export function valueOf(video: Video, way: Way): string {
  switch (way) {
    case "model":
      return video.model;
    case "num_inference_steps": {
      const steps = video.num_inference_steps ?? own(video, "steps");
      return steps === undefined ? t("setting.own") : tn("model.steps", steps);
    }
    case "guidance_scale": {
      const scale = video.guidance_scale ?? own(video, "guidance_scale");
      return scale === undefined ? t("setting.own") : t("setting.guidance", { n: number(scale) });
    }
    case "flow_shift": {
      const shift = video.flow_shift ?? own(video, "shift");
      return shift === undefined ? t("setting.own") : t("setting.shift", { n: number(shift) });
    }
    case "fast":
      return t(video.fast ? "setting.fast" : "setting.not-fast");
    case "seed":
      return t("facts.seed", { seed: String(video.seed) });
    case "tag":
      return video.tags.join(", ") || t("setting.no-tag");
  }
}

function varied(videos: readonly Video[]): Way[] {
  return WAYS.filter((way) => new Set(videos.map((video) => valueOf(video, way))).size > 1);
}

/** The ways in which these videos can be told apart, the most likely first; by hand always. */
export function splits(videos: readonly Video[]): Split[] {
  const ways = varied(videos);
  const settings = ways.filter((way) => way !== "seed" && way !== "tag");
  const all: Split[] = settings.length > 1 ? ["all"] : [];
  const ordered: Split[] = [...ways, ...all, "hand"];
  const worth = (split: Split) => (split === "hand" ? -1 : commonPrompts(systemsOf(videos, split, {}), videos).length);
  const best = ordered.reduce((most, one) => (worth(one) > worth(most) ? one : most), ordered[0] ?? "hand");
  return [best, ...ordered.filter((one) => one !== best)];
}

export type Systems = Record<string, string[]>;

/** The ids of the videos by system. `hand`: the system of each video, by its id; none is left out. */
export function systemsOf(videos: readonly Video[], split: Split, hand: Record<string, string>): Systems {
  const ways = varied(videos).filter((way) => way !== "seed" && way !== "tag");
  const name = (video: Video): string =>
    split === "hand"
      ? (hand[video.id] ?? "")
      : split === "all"
        ? ways.map((way) => valueOf(video, way)).join(", ")
        : valueOf(video, split);
  // Of one prompt, the k-th of each system are shown together: those of one seed.
  const ordered = [...videos].sort((a, b) => a.seed - b.seed || a.created_at - b.created_at);
  const found = new Map<string, string[]>();
  for (const video of ordered) {
    const key = name(video);
    if (key) found.set(key, [...(found.get(key) ?? []), video.id]);
  }
  return Object.fromEntries([...found].sort(([a], [b]) => a.localeCompare(b, undefined, { numeric: true })));
}

function promptsOf(ids: string[], known: Map<string, Video>): Set<string> {
  return new Set(ids.flatMap((id) => known.get(id)?.prompt ?? []));
}

/** The prompts that every system has a video of. */
export function commonPrompts(systems: Systems, videos: readonly Video[]): string[] {
  const known = new Map(videos.map((video) => [video.id, video]));
  const all = Object.values(systems).map((ids) => promptsOf(ids, known));
  const [first, ...others] = all;
  return first ? [...first].filter((prompt) => others.every((other) => other.has(prompt))) : [];
}

/** The prompts that some systems have a video of and others do not, with those that lack it. */
export function lackedPrompts(systems: Systems, videos: readonly Video[]): { prompt: string; by: string[] }[] {
  const known = new Map(videos.map((video) => [video.id, video]));
  const all = Object.entries(systems).map(([name, ids]) => [name, promptsOf(ids, known)] as const);
  const prompts = new Set(all.flatMap(([, has]) => [...has]));
  return [...prompts].flatMap((prompt) => {
    const by = all.flatMap(([name, has]) => (has.has(prompt) ? [] : [name]));
    return by.length ? [{ prompt, by }] : [];
  });
}
