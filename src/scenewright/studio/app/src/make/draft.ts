/** The form of the Make page: what is typed, what it becomes as a request, and what the server objects to. */
import { computed, effect, signal } from "@preact/signals";
import type { Creation } from "../api/videos";
import type { Model, Video } from "../api/types";
import { keep, kept } from "../state/keeping";
import { model, models } from "../state/models";

export type PresetName = "quick" | "balanced" | "best";

/** "" stands for the model's own. */
export interface Draft {
  prompt: string;
  negative: string;
  model: string;
  width: number | "";
  height: number | "";
  seconds: number | "";
  seed: number;
  locked: boolean;
  steps: number | "";
  guidance: number | "";
  shift: number | "";
  fast: boolean;
  count: number;
  format: "mp4" | "webm";
  cache: boolean;
}

/** A picture to begin or end with: a file, or one the server has, by its id. */
export type Picture = File | { file_id: string };
export type Which = "first" | "last";

export const MOST_AT_ONCE = 16;
const SEEDS = 1_000_000;

export function rollSeed(): number {
  return Math.floor(Math.random() * SEEDS);
}

const fresh: Draft = {
  prompt: "",
  negative: "",
  model: "nano",
  width: "",
  height: "",
  seconds: "",
  seed: rollSeed(),
  locked: false,
  steps: "",
  guidance: "",
  shift: "",
  fast: false,
  count: 1,
  format: "mp4",
  cache: true,
};

function restored(): Draft {
  try {
    const saved = JSON.parse(kept("draft") ?? "{}") as Partial<Draft>;
    return { ...fresh, ...saved };
  } catch {
    return fresh;
  }
}

export const draft = signal<Draft>(restored());
/** What the server objected to, by the name of the field in a request. */
export const objections = signal<Record<string, string>>({});
/** Pictures that go with the request. They live as long as the page. */
export const pictures = signal<Record<Which, Picture | null>>({ first: null, last: null });

effect(() => keep("draft", JSON.stringify(draft.value)));

const PARAMS: Partial<Record<keyof Draft, string[]>> = {
  prompt: ["prompt"],
  negative: ["negative_prompt"],
  model: ["model"],
  width: ["width", "size"],
  height: ["height", "size"],
  seconds: ["seconds", "num_frames"],
  seed: ["seed"],
  steps: ["num_inference_steps"],
  guidance: ["guidance_scale"],
  shift: ["flow_shift"],
};

/** Fields of a request that have a place in the form. */
export const SHOWN = [...Object.values(PARAMS).flat(), "format", "input_reference", "last_frame"];

export function change(changes: Partial<Draft>): void {
  draft.value = { ...draft.peek(), ...changes };
  const settled = Object.keys(changes).flatMap((name) => PARAMS[name as keyof Draft] ?? []);
  const rest = Object.entries(objections.peek()).filter(([param]) => !settled.includes(param));
  objections.value = Object.fromEntries(rest);
}

export function objection(...params: string[]): string | null {
  for (const param of params) {
    const text = objections.value[param];
    if (text) return text;
  }
  return null;
}

export const chosen = computed<Model | null>(() => model(draft.value.model) ?? models.value?.find((one) => one.default) ?? models.value?.[0] ?? null);

export function preset(name: PresetName, of: Model): Partial<Draft> | null {
  const own = of.settings;
  if (!own?.steps || !of.takes.includes("steps")) return null;
  if (name === "balanced") return { steps: "", guidance: "", fast: false };
  if (name === "best") return { steps: own.steps * 2, guidance: "", fast: false };
  if (of.fast) return { steps: "", guidance: "", fast: true };
  return { steps: Math.max(1, Math.ceil(own.steps / 2)), guidance: "", fast: false };
}

/** The preset that the settings are those of, null where they are the user's own. */
export const presetNow = computed<PresetName | null>(() => {
  const of = chosen.value;
  if (!of) return null;
  for (const name of ["quick", "balanced", "best"] as const) {
    const settings = preset(name, of);
    if (!settings) return null;
    const same = (Object.keys(settings) as (keyof Draft)[]).every((key) => draft.value[key] === settings[key]);
    if (same) return name;
  }
  return null;
});

export const longest = computed(() => {
  const of = chosen.value;
  return of?.most_frames ? of.most_frames / of.fps : null;
});

/** What the model makes where nothing is said. */
export const usualSeconds = computed(() => (chosen.value ? chosen.value.usual_frames / chosen.value.fps : 2));

/** The fields of a request for this draft, without those left to the model. */
export function fields(of: Draft, seed: number): Creation["fields"] {
  const name = chosen.peek()?.id ?? of.model;
  const makes = model(name);
  const body: Creation["fields"] = { prompt: of.prompt.trim(), model: name, seed, format: of.format };
  if (of.negative.trim() && makes?.negative_prompts !== false) body.negative_prompt = of.negative.trim();
  if (of.width !== "") body.width = of.width;
  if (of.height !== "") body.height = of.height;
  const takes = (setting: string) => makes?.takes.includes(setting) !== false;
  if (of.seconds !== "" && makes) body.num_frames = Math.max(1, Math.round(of.seconds * makes.fps));
  if (of.steps !== "" && takes("steps")) body.num_inference_steps = of.steps;
  if (of.guidance !== "" && takes("guidance_scale")) body.guidance_scale = of.guidance;
  if (of.shift !== "" && takes("shift")) body.flow_shift = of.shift;
  if (of.fast && makes?.fast) body.fast = true;
  if (!of.cache) body.cache = false;
  return body;
}

const PICTURE_FIELDS: Record<Which, string> = { first: "input_reference", last: "last_frame" };

/** The pictures that go with a request: files, and those the server has. */
export function pictureFields(): { files: Record<string, File>; fields: Creation["fields"] } {
  const files: Record<string, File> = {};
  const known: Creation["fields"] = {};
  if (chosen.peek()?.given_frames === false) return { files, fields: known };
  for (const which of ["first", "last"] as const) {
    const picture = pictures.peek()[which];
    if (picture instanceof File) files[PICTURE_FIELDS[which]] = picture;
    else if (picture) known[PICTURE_FIELDS[which]] = picture;
  }
  return { files, fields: known };
}

export type Part = "prompt" | "negative" | "model" | "size" | "seconds" | "seed" | "steps" | "guidance" | "shift" | "frames";

/** "file_…" or {file_id: "file_…"}, as a video or an imported file names a picture. */
function picture(value: unknown): Picture | null {
  const id = typeof value === "string" ? value : (value as { file_id?: unknown } | null | undefined)?.file_id;
  return typeof id === "string" && id.startsWith("file_") ? { file_id: id } : null;
}

/** Settings under a request's names, as a video or an imported file has them, become this draft's. */
export function take(settings: Record<string, unknown>, parts: readonly Part[] | null = null): void {
  const wanted = (part: Part) => parts === null || parts.includes(part);
  const numeric = (name: string): number | null => {
    const value = settings[name];
    return typeof value === "number" && Number.isFinite(value) ? value : null;
  };
  const next: Partial<Draft> = {};
  if (wanted("prompt") && typeof settings.prompt === "string") next.prompt = settings.prompt;
  if (wanted("negative") && typeof settings.negative_prompt === "string") next.negative = settings.negative_prompt;
  if (wanted("model") && typeof settings.model === "string") {
    if (models.peek()?.some((one) => one.id === settings.model)) next.model = settings.model;
  }
  const of = model(next.model ?? draft.peek().model);
  const width = numeric("width");
  const height = numeric("height");
  if (wanted("size") && width && height) {
    const own = of?.native_width === width && of.native_height === height;
    next.width = own ? "" : width;
    next.height = own ? "" : height;
  }
  const frames = numeric("num_frames");
  const fps = numeric("fps") ?? of?.fps;
  if (wanted("seconds") && frames && fps) next.seconds = frames === of?.usual_frames ? "" : Math.round((frames / fps) * 1000) / 1000;
  const seed = numeric("seed");
  if (wanted("seed") && seed !== null) Object.assign(next, { seed, locked: true });
  const usual = of?.settings;
  const chosenOr = (name: string, own: number | undefined): number | "" => {
    const value = numeric(name);
    return value === null || value === own ? "" : value;
  };
  if (wanted("steps")) next.steps = chosenOr("num_inference_steps", usual?.steps);
  if (wanted("guidance")) next.guidance = chosenOr("guidance_scale", usual?.guidance_scale);
  if (wanted("shift")) next.shift = chosenOr("flow_shift", usual?.shift);
  if (parts === null) {
    if (typeof settings.negative_prompt !== "string") next.negative = "";
    next.fast = settings.fast === true;
    if (settings.format === "mp4" || settings.format === "webm") next.format = settings.format;
  }
  if (wanted("frames")) pictures.value = { first: picture(settings.input_reference), last: picture(settings.last_frame) };
  change(next);
}

export function takeVideo(video: Video, parts: readonly Part[] | null = null): void {
  take(video as unknown as Record<string, unknown>, parts);
}
