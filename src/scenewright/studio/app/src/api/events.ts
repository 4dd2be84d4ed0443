/** One stream of events for everything; while it is down, the server is asked every two seconds instead. */
import { signal } from "@preact/signals";
import { drop, forgetUnlisted, place, put } from "../state/videos";
import { ApiError } from "./http";
import { getVideo, listVideos } from "./videos";
import type { Video } from "./types";

export type Link = "connecting" | "live" | "polling" | "offline";
export const link = signal<Link>("connecting");

const POLL = 2000;
const LONGEST_WAIT = 15000;
let source: EventSource | null = null;
let poll: number | undefined;
let wait = 1000;

/** Everything that is not finished, and the newest of the rest. */
export async function refresh(): Promise<void> {
  const [queued, newest] = await Promise.all([
    listVideos({ status: ["queued", "in_progress"], limit: 100, order: "asc" }),
    listVideos({ limit: 30 }),
  ]);
  for (const video of [...newest.data, ...queued.data]) put(video);
  if (queued.has_more) return;
  const gone = forgetUnlisted(new Set([...queued.data, ...newest.data].map((video) => video.id)));
  await Promise.all(
    gone.map((id) =>
      getVideo(id).then(put, (error: unknown) => {
        if (error instanceof ApiError && error.status === 404) drop(id);
      }),
    ),
  );
}

async function ask(): Promise<void> {
  try {
    await refresh();
    if (link.peek() !== "live") link.value = "polling";
  } catch (error) {
    if (error instanceof ApiError && error.status === 0) link.value = "offline";
  }
}

function polling(on: boolean): void {
  window.clearInterval(poll);
  poll = on ? window.setInterval(() => void ask(), POLL) : undefined;
}

/** Ends the stream and the asking, until {@link connect}. */
export function disconnect(): void {
  source?.close();
  source = null;
  polling(false);
}

export function connect(): void {
  source?.close();
  const stream = new EventSource("/v1/events");
  source = stream;
  stream.onopen = () => {
    wait = 1000;
    link.value = "live";
    polling(false);
    void ask();
  };
  stream.addEventListener("video", (event) => put(JSON.parse(event.data) as Video));
  stream.addEventListener("deleted", (event) => drop((JSON.parse(event.data) as { id: string }).id));
  stream.addEventListener("queue", (event) => {
    place((JSON.parse(event.data) as { positions: Record<string, number> }).positions);
  });
  stream.onerror = () => {
    if (link.peek() === "live" || link.peek() === "connecting") {
      link.value = "polling";
      polling(true);
      void ask();
    }
    if (stream.readyState === EventSource.CLOSED) {
      stream.close();
      window.setTimeout(() => source === stream && connect(), wait);
      wait = Math.min(2 * wait, LONGEST_WAIT);
    }
  };
}
