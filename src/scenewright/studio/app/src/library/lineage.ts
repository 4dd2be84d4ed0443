/** Which video was made from which: the tree that a video belongs to. */
import { getVideo, listVideos } from "../api/videos";
import type { Video } from "../api/types";
import { all, put, video as videoOf } from "../state/videos";

export interface Branch {
  video: Video;
  children: Branch[];
}

const PAGES = 10;
let everything: Promise<void> | null = null;

/** Learns of all videos, some pages of a hundred, once. */
function learn(): Promise<void> {
  everything ??= (async () => {
    let after: string | null = null;
    for (let page = 0; page < PAGES; page += 1) {
      const { data, has_more } = await listVideos({ limit: 100, after });
      for (const video of data) put(video);
      after = data.at(-1)?.id ?? null;
      if (!has_more || !after) break;
    }
  })();
  everything.catch(() => (everything = null));
  return everything;
}

/** Fetches what the tree of `video` needs: its ancestors one by one, the rest from the listing. */
export async function learnFamily(video: Video): Promise<void> {
  await learn();
  let parent = video.remixed_from_video_id;
  const seen = new Set<string>([video.id]);
  while (parent && !seen.has(parent)) {
    seen.add(parent);
    const known: Video | null = videoOf(parent) ?? (await getVideo(parent).catch(() => null));
    if (!known) break;
    put(known);
    parent = known.remixed_from_video_id;
  }
}

export function family(video: Video): Branch {
  const videos = all.value;
  const known = new Map(videos.map((one) => [one.id, one]));
  let root = video;
  const seen = new Set<string>();
  while (root.remixed_from_video_id && !seen.has(root.id)) {
    seen.add(root.id);
    const parent = known.get(root.remixed_from_video_id);
    if (!parent) break;
    root = parent;
  }
  const grow = (one: Video, depth: number): Branch => ({
    video: one,
    children:
      depth > 30
        ? []
        : videos
            .filter((child) => child.remixed_from_video_id === one.id)
            .sort((a, b) => a.created_at - b.created_at)
            .map((child) => grow(child, depth + 1)),
  });
  return grow(root, 0);
}
