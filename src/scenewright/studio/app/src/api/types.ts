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
  phase: Phase | null;
  current_step: number | null;
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
  title: string | null;
  tags: string[];
  notes: string[];
  batch: string | null;
  cached: boolean;
}

export interface Page<T> {
  data: T[];
  has_more: boolean;
  last_id: string | null;
}

/** What a model recommends for sampling; null where there is nothing to choose. */
export interface Sampling {
  steps: number;
  guidance_scale: number;
  shift: number;
  sampler: string;
}

export interface Model {
  id: string;
  width: number;
  height: number;
  fps: number;
  most_frames: number | null;
  settings: Sampling | null;
  fast: Sampling | null;
  given_frames: boolean;
  extension: boolean;
  fits: boolean;
  reason: string | null;
}

export interface Motion {
  kind: string;
  text: string | null;
  start: number | null;
  end: number | null;
  targeted: boolean;
}

export interface Entity {
  text: string;
  start: number;
  end: number;
  colour: string | null;
  shape: string | null;
  size: string | null;
  material: string | null;
  motions: Motion[];
}

export interface Parsed {
  entities: Entity[];
  unknown: string[];
  notes: string[];
}

export interface Estimate {
  seconds: number | null;
  memory: number | null;
  disk: number | null;
}

export interface Measurement {
  model: string;
  device: string;
  runs: number;
  seconds: number | null;
  steps_per_second: number | null;
  memory: number | null;
}

export interface Worker {
  id: string;
  host: string;
  device: string;
  models: string[];
  alive: boolean;
}

export interface Advice {
  name: string;
  state: "ok" | "info" | "missing" | "failed";
  text: string;
  fix: string | null;
  needed: boolean;
}

export interface Machine {
  cores: number | null;
  memory_total: number | null;
  memory_free: number | null;
  disk_free: number | null;
  workers: Worker[];
  measurements: Measurement[];
  advice: Advice[];
}
