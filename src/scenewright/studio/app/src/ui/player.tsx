/** A finished video with its controls, which plays at once unless less motion is asked for. */
import { content } from "../api/videos";
import type { Video } from "../api/types";
import { still } from "./motion";

export function Player({ video }: { video: Video }) {
  return (
    <video
      src={content(video.id)}
      poster={content(video.id, "thumbnail")}
      controls
      loop
      muted
      autoplay={!still.value}
      playsInline
      aria-label={video.prompt}
    />
  );
}
