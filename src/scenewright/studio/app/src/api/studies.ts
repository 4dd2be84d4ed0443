/** The calls about studies and arenas. `rater` counts where the server has no accounts. */
import { call, query } from "./http";
import type { Answer, Contestant, Next, Question, Results, Round, Study } from "./study-types";
import type { Page } from "./types";

const BASE = "/v1/studies";

/** A body of `POST /v1/studies`; a study has systems, an arena contestants. */
export interface NewStudy {
  kind: "study" | "arena";
  name: string;
  title?: string;
  questions?: Question[];
  mode?: "crowd" | "expert";
  votes?: number;
  checks?: number;
  failures?: number;
  shared?: boolean;
  systems?: Record<string, string[]>;
  contestants?: Record<string, Contestant>;
}

export function listStudies(after: string | null): Promise<Page<Study>> {
  return call("GET", BASE + query({ limit: 100, after }));
}

export function getStudy(id: string): Promise<Study> {
  return call("GET", `${BASE}/${id}`);
}

export function createStudy(study: NewStudy): Promise<Study> {
  return call("POST", BASE, study);
}

export function updateStudy(id: string, changes: { title?: string; shared?: boolean; closed?: boolean }): Promise<Study> {
  return call("PATCH", `${BASE}/${id}`, changes);
}

export function deleteStudy(id: string): Promise<unknown> {
  return call("DELETE", `${BASE}/${id}`);
}

export function nextTask(id: string, rater: string | null): Promise<Next> {
  return call("GET", `${BASE}/${id}/task${query({ rater })}`);
}

export interface Given {
  task: string;
  answer: Answer;
  rater?: string;
  seconds: number;
  watched: number;
  replays: number;
}

/** `revealed`: in an arena, the contestants by place. */
export function giveAnswer(id: string, given: Given): Promise<{ taken: true; revealed: string[] | null }> {
  return call("POST", `${BASE}/${id}/answers`, given);
}

export function startRound(id: string, prompt: string, rater: string | null): Promise<Round> {
  return call("POST", `${BASE}/${id}/rounds`, { prompt, ...(rater ? { rater } : {}) });
}

export function getRound(id: string, task: string): Promise<Round> {
  return call("GET", `${BASE}/${id}/rounds/${task}`);
}

export function getResults(id: string): Promise<Results> {
  return call("GET", `${BASE}/${id}/results`);
}

export function answersFile(id: string): string {
  return `${BASE}/${id}/answers.csv`;
}
