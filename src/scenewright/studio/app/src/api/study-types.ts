/** What the server says about studies and arenas. */

export type QuestionKind = "compare" | "rank" | "rate" | "answer";

export interface Question {
  kind: QuestionKind;
  text: string;
  ties: boolean;
  scale: number;
  choices: string[];
  /** The answer that counts, by prompt. */
  right: Record<string, string>;
}

/** A contestant of an arena, by the names of a video's request; what is not said is the model's own. */
export interface Contestant {
  model?: string;
  num_inference_steps?: number | null;
  guidance_scale?: number | null;
  flow_shift?: number | null;
  fast?: boolean | null;
}

/** `systems` and `contestants`: null for who may only answer. `wanted`: answers, null where there is no end. */
export interface Study {
  id: string;
  object: "study";
  kind: "study" | "arena";
  name: string;
  title: string;
  mode: "crowd" | "expert";
  votes: number;
  checks: number;
  failures: number;
  questions: Question[];
  systems: Record<string, string[]> | null;
  contestants: Record<string, Contestant> | null;
  prompts: number;
  created_at: number;
  closed_at: number | null;
  shared: boolean;
  owner: string | null;
  answers: number;
  wanted: number | null;
  mine: number;
  manage: boolean;
}

/** One thing to answer; `videos`: where its clips are, by place; `check`: what to say where it only sees whether the
 * rater is there. */
export interface Task {
  id: string;
  kind: QuestionKind;
  text: string;
  prompt: string;
  ties: boolean;
  scale: number;
  choices: string[];
  check: "first" | "second" | null;
  videos: string[];
}

export interface Next {
  done: number;
  task: Task | null;
}

export type Answer = string | number | number[];

/** Two videos of one prompt as they are made. `progress`: per cent of both together; `videos`: empty until both are
 * there; `revealed`: the contestants by place, once one has voted. */
export interface Round {
  task: string;
  status: "queued" | "in_progress" | "completed" | "failed";
  progress: number;
  eta_seconds: number | null;
  videos: string[];
  text: string;
  ties: boolean;
  prompt: string;
  error: string | null;
  revealed: string[] | null;
}

export interface Interval {
  value: number;
  low: number | null;
  high: number | null;
  n: number;
  clusters: number;
}

export interface Pair {
  systems: [string, string];
  /** Of the first, of the second, ties. */
  votes: [number, number, number];
  decided: boolean;
  /** Prompts that are still needed if votes go on as they did; null where that cannot be said. */
  missing: number | null;
}

/** Each kind of question has some of these; null where there is not enough to say. */
export interface Found {
  kind: QuestionKind;
  text: string;
  answers: number;
  ranking?: string[] | null;
  reason?: string;
  unsettled?: [string, string][];
  strengths?: Record<string, Interval>;
  win_rates?: Record<string, Interval>;
  left?: Interval;
  ties?: number;
  pairs?: Pair[];
  means?: Record<string, Interval>;
  accuracy?: Record<string, Interval> | null;
  texts?: { prompt: string; system: string; rater: string; answer: string }[];
  labels?: { prompt: string; system: string; label: string }[];
  skills?: Record<string, number>;
  alpha?: Interval | null;
}

export interface Results {
  raters: number;
  left_out: string[];
  answers: number;
  wanted: number | null;
  engagement: { seconds: number | null; watched: number | null; replays: number | null };
  questions: Found[];
}
