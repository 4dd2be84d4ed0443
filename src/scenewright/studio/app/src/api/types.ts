/** What the server says, as far as the studio reads it. */

export type Status = "queued" | "in_progress" | "completed" | "failed" | "cancelled";
export type Phase = "queued" | "load" | "encode" | "denoise" | "decode" | "export" | "paused" | "final";

export interface Video {
  id: string;
  object: "video";
  model: string;
  status: Status;
  progress: number;
  created_at: number;
  completed_at: number | null;
  expires_at: number | null;
  error: { code: string; message: string } | null;
  prompt: string;
  remixed_from_video_id: string | null;
  seconds: string;
  size: string;
  kind: "generate" | "extend";
  phase: Phase;
  current_step: number;
  total_steps: number | null;
  eta_seconds: number | null;
  queue_position: number | null;
  preview: string | null;
  cancellable: boolean;
  paused: boolean;
  seed: number;
  negative_prompt: string;
  width: number;
  height: number;
  num_frames: number;
  fps: number;
  num_inference_steps: number | null;
  guidance_scale: number | null;
  flow_shift: number | null;
  fast: boolean;
  format: "mp4" | "webm";
  input_reference: string | null;
  last_frame: string | null;
  title: string | null;
  tags: string[];
  notes: string[];
  batch: string | null;
  cached: boolean;
  has_thumbnail: boolean;
  /** Grows with every change. */
  version: number;
}

export interface Page<T> {
  data: T[];
  has_more: boolean;
  last_id: string | null;
}

/** How a model samples. */
export interface Sampling {
  steps?: number;
  guidance_scale?: number;
  shift?: number;
}

/** `fits`: null where the free memory is not known. `takes`: the settings that can be changed. */
export interface Model {
  id: string;
  family: string;
  native_width: number;
  native_height: number;
  usual_frames: number;
  most_frames: number | null;
  fps: number;
  settings: Sampling | null;
  fast: Sampling | null;
  takes: string[];
  negative_prompts: boolean;
  given_frames: boolean;
  extends: boolean;
  needs_sound: boolean;
  knows_words: number;
  bytes: number;
  default: boolean;
  fits: boolean | null;
}

/** Characters of the prompt, from `start` up to but not including `end`. */
export interface Span {
  start: number;
  end: number;
}

export interface Motion {
  kind: string;
  direction: string | null;
  target: number | null;
  place: Span | null;
}

export interface Entity extends Span {
  text: string;
  count: number;
  colour: string | null;
  shape: string | null;
  size: string | null;
  material: string | null;
  words: Partial<Record<"colour" | "shape" | "size" | "material", Span>>;
  motions: Motion[];
}

export interface Parsed {
  understood: boolean;
  entities: Entity[];
  unknown: string[];
  unknown_places: (Span & { word: string })[];
  notes: string[];
}

export interface Estimate {
  known: boolean;
  seconds: number | null;
  waits: number | null;
  memory: number | null;
  disk: number | null;
  fits: boolean | null;
}

/** `seconds`: by phase of the work. */
export interface Measurement {
  model: string;
  device: string;
  videos: number;
  seconds: Record<string, number>;
  frames_per_second: number | null;
  peak_memory: number | null;
}

export interface Worker {
  id: string;
  host: string | null;
  device: string;
  models: string[];
  memory: number;
  seen_at: number;
}

export interface Advice {
  name: string;
  state: string;
  text: string;
  fix: string | null;
}

/** `advice`: null until the doctor was asked. */
export interface Machine {
  cores: number;
  memory_available: number | null;
  disk_free: number | null;
  workers: Worker[];
  measurements: Measurement[];
  advice: Advice[] | null;
}
