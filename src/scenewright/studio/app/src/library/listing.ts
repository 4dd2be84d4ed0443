/** What the library shows: the finished videos that match, page by page, kept up to date. */
import { computed, signal } from "@preact/signals";
import { ApiError } from "../api/http";
import { deleteVideo, listVideos, tell } from "../api/videos";
import type { Video } from "../api/types";
import { t } from "../i18n";
import { announce, complain, say } from "../state/saying";
import { all, drop, onChange, put } from "../state/videos";

export const search = signal("");
export const tag = signal("");
export const loading = signal(false);
export const failed = signal<string | null>(null);
/** Two to be compared, or more to ask people about. */
export const picked = signal<string[]>([]);

const found = signal<string[]>([]);
const more = signal(false);
let turn = 0;

export const hasMore = computed(() => more.value);

export const shown = computed<Video[]>(() => {
  const known = new Map(all.value.map((video) => [video.id, video]));
  return found.value.flatMap((id) => {
    const video = known.get(id);
    return video?.status === "completed" ? [video] : [];
  });
});

export const tags = computed(() => [...new Set(all.value.flatMap((video) => video.tags))].sort());

async function fetchPage(after: string | null): Promise<void> {
  const mine = ++turn;
  loading.value = true;
  failed.value = null;
  try {
    const page = await listVideos({
      status: ["completed"],
      search: search.peek().trim(),
      tag: tag.peek(),
      after,
      limit: 40,
    });
    if (mine !== turn) return;
    for (const video of page.data) put(video);
    const ids = page.data.map((video) => video.id);
    found.value = after ? [...new Set([...found.peek(), ...ids])] : ids;
    more.value = page.has_more;
  } catch (error) {
    if (mine === turn) failed.value = error instanceof ApiError ? error.message : String(error);
  } finally {
    if (mine === turn) loading.value = false;
  }
}

export function find(): Promise<void> {
  return fetchPage(null);
}

export function findMore(): Promise<void> {
  return fetchPage(found.peek().at(-1) ?? null);
}

let timer: number | undefined;
export function findSoon(): void {
  window.clearTimeout(timer);
  timer = window.setTimeout(() => void find(), 200);
}

/** A video that finishes appears by itself. */
export function followFinished(): () => void {
  return onChange((now, before) => {
    if (now.status !== "completed" || before?.status === "completed" || found.peek().includes(now.id)) return;
    if (before || !loading.peek()) findSoon();
  });
}

export function pick(id: string): void {
  const now = picked.peek();
  picked.value = now.includes(id) ? now.filter((other) => other !== id) : [...now, id];
}

export async function remove(video: Video): Promise<void> {
  try {
    await deleteVideo(video.id);
  } catch (error) {
    return complain(error);
  }
  drop(video.id);
  picked.value = picked.peek().filter((id) => id !== video.id);
  say(t("deleted", { prompt: video.title || video.prompt }), {
    action: {
      label: t("undo"),
      run: () =>
        void tell(video.id, "restore").then((back) => {
          put(back);
          void find();
          announce(t("restored"));
        }, complain),
    },
  });
}
