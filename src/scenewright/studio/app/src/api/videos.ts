/** The calls about videos. */
import { call, query } from "./http";
import type { Estimate, Page, Parsed, Video } from "./types";

const BASE = "/v1/videos";

/** A body of `POST /v1/videos`; files go along as multipart. */
export interface Creation {
  fields: Record<string, string | number | boolean>;
  files?: Record<string, File>;
}

export interface Filter {
  search?: string;
  tag?: string;
  status?: string;
  after?: string | null;
  limit?: number;
  order?: "asc" | "desc";
}

export function listVideos(filter: Filter = {}): Promise<Page<Video>> {
  return call("GET", BASE + query({ ...filter }));
}

export function getVideo(id: string): Promise<Video> {
  return call("GET", `${BASE}/${id}`);
}

export function createVideo({ fields, files = {} }: Creation): Promise<Video> {
  if (Object.keys(files).length === 0) return call("POST", BASE, fields);
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, String(value));
  for (const [name, file] of Object.entries(files)) form.append(name, file, file.name);
  return call("POST", BASE, form);
}

export function estimate(fields: Creation["fields"]): Promise<Estimate> {
  return call("POST", "/v1/estimates", fields);
}

export function parsePrompt(prompt: string): Promise<Parsed> {
  return call("POST", "/v1/prompts/parse", { prompt });
}

export type Command = "cancel" | "pause" | "resume" | "retry" | "restore";

export function tell(id: string, command: Command): Promise<Video> {
  return call("POST", `${BASE}/${id}/${command}`);
}

/** Puts a queued video in front of another one, or last where `before` is null. */
export function moveVideo(id: string, before: string | null): Promise<Video> {
  return call("POST", `${BASE}/${id}/move`, { before });
}

export function updateVideo(id: string, changes: { title?: string; tags?: string[] }): Promise<Video> {
  return call("PATCH", `${BASE}/${id}`, changes);
}

export function deleteVideo(id: string): Promise<unknown> {
  return call("DELETE", `${BASE}/${id}`);
}

export function remixVideo(id: string, prompt: string): Promise<Video> {
  return call("POST", `${BASE}/${id}/remix`, { prompt });
}

export function extendVideo(id: string, prompt: string, seconds: string): Promise<Video> {
  return call("POST", `${BASE}/extensions`, { prompt, video: { id }, seconds });
}

/** The settings that a file carries, by the names of a creation's fields; `video` where it was kept. */
export interface Imported {
  settings: Record<string, unknown>;
  video: Video | null;
  notes: string[];
}

export async function importFile(file: File, keep: boolean): Promise<Imported> {
  const form = new FormData();
  form.append("file", file, file.name);
  const answer = await call<Partial<Imported>>("POST", `${BASE}/import${keep ? "?keep=true" : ""}`, form);
  return { settings: answer.settings ?? {}, video: answer.video ?? null, notes: answer.notes ?? [] };
}

export function content(id: string, variant: "video" | "thumbnail" | "spritesheet" = "video"): string {
  return `${BASE}/${id}/content${variant === "video" ? "" : `?variant=${variant}`}`;
}
