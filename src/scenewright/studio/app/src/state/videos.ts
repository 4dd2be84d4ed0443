/** Every video the studio has heard of, as the server last described it. One signal a video, so that progress
 * of one draws one. */
import { computed, signal, type Signal } from "@preact/signals";
import type { Video } from "../api/types";

interface Heard {
  video: Video;
  /** When this was heard, in milliseconds: estimates count down from here. */
  at: number;
}

const table = new Map<string, Signal<Heard>>();
const ids = signal<string[]>([]);
const listeners = new Set<(now: Video, before: Video | null) => void>();

/** Called with each video as it changes, and as it was before. */
export function onChange(listener: (now: Video, before: Video | null) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Takes what the server said; what is older than what is known is passed over. */
export function put(video: Video): void {
  const known = table.get(video.id);
  const before = known?.peek().video ?? null;
  if (before && video.version < before.version) return;
  if (known) known.value = { video, at: Date.now() };
  else {
    table.set(video.id, signal({ video, at: Date.now() }));
    ids.value = [...ids.peek(), video.id];
  }
  for (const listener of listeners) listener(video, before);
}

export function drop(id: string): void {
  if (!table.delete(id)) return;
  ids.value = ids.peek().filter((other) => other !== id);
}

/** Places in the queue, by id. */
export function place(positions: Record<string, number>): void {
  for (const [id, queue_position] of Object.entries(positions)) {
    const known = table.get(id);
    if (known && known.peek().video.queue_position !== queue_position)
      known.value = { ...known.peek(), video: { ...known.peek().video, queue_position } };
  }
}

export function heard(id: string): Heard | null {
  void ids.value;
  return table.get(id)?.value ?? null;
}

export function video(id: string): Video | null {
  return heard(id)?.video ?? null;
}

export const all = computed(() => ids.value.flatMap((id) => video(id) ?? []));

export function unfinished(one: Video): boolean {
  return one.status === "queued" || one.status === "in_progress";
}

/** What is being made, then what is paused half-made, then what waits, in the order in which it will be made. */
export const queue = computed(() =>
  all.value
    .filter(unfinished)
    .sort(
      (a, b) =>
        Number(b.status === "in_progress") - Number(a.status === "in_progress") ||
        (a.queue_position ?? 1e9) - (b.queue_position ?? 1e9) ||
        a.created_at - b.created_at,
    ),
);

/** The newest of those that did not come out. */
export const failures = computed(() =>
  all.value
    .filter((one) => one.status === "failed")
    .sort((a, b) => b.created_at - a.created_at)
    .slice(0, 5),
);

/** Videos that were known as unfinished and that a full listing no longer has. */
export function forgetUnlisted(listed: Set<string>): string[] {
  return queue.peek().flatMap((one) => (listed.has(one.id) ? [] : [one.id]));
}
