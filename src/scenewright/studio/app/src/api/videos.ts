/** The calls about videos. */
import { call, query } from "./http";
import type { Estimate, Page, Parsed, Status, Video } from "./types";

const BASE = "/v1/videos";

/** A body of `POST /v1/videos`; files go along as multipart. */
export interface Creation {
  fields: Record<string, string | number | boolean | { file_id: string }>;
  files?: Record<string, File>;
}

export interface Filter {
  search?: string;
  tag?: string;
  batch?: string;
  status?: readonly Status[];
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
  for (const [name, value] of Object.entries(fields)) form.append(name, typeof value === "object" ? JSON.stringify(value) : String(value));
  for (const [name, file] of Object.entries(files)) form.append(name, file, file.name);
  return call("POST", BASE, form);
}

export function estimate(fields: Creation["fields"]): Promise<Estimate> {
  return call("POST", "/v1/estimates", fields);
}

export function parsePrompt(prompt: string, model: string): Promise<Parsed> {
  return call("POST", "/v1/prompts/parse", { prompt, model });
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

/** The settings that a file carries, by the names of a creation's fields; `video` where it was kept. `missing`:
 * pictures it was made with that the server does not have. */
export interface Imported {
  settings: Record<string, unknown>;
  missing: string[];
  model_known: boolean;
  video: Video | null;
}

export function importFile(file: File, keep: boolean): Promise<Imported> {
  const form = new FormData();
  form.append("file", file, file.name);
  return call("POST", `${BASE}/import${keep ? "?keep=true" : ""}`, form);
}

export function content(id: string, variant: "video" | "thumbnail" = "video"): string {
  return `${BASE}/${id}/content${variant === "video" ? "" : `?variant=${variant}`}`;
}

/** Where the file comes as a download, under a name that says what it shows. */
export function download(id: string): string {
  return `${BASE}/${id}/content?download=true`;
}
