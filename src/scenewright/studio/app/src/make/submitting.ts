/** From the form to the queue. */
import { signal } from "@preact/signals";
import { ApiError } from "../api/http";
import type { Video } from "../api/types";
import { createVideo } from "../api/videos";
import { t, tn } from "../i18n";
import { announce, complain } from "../state/saying";
import { put } from "../state/videos";
import { change, draft, fields, files, objections, rollSeed } from "./draft";

export const submitting = signal(false);
/** The video on the stage, null for whatever is being made. */
export const onStage = signal<string | null>(null);

/** Fields of a request that have a place in the form. */
const SHOWN = [
  "prompt", "negative_prompt", "model", "size", "width", "height", "seconds", "num_frames", "seed",
  "num_inference_steps", "guidance_scale", "flow_shift", "format", "input_reference", "last_frame",
];

export async function submit(): Promise<Video[]> {
  if (submitting.peek()) return [];
  const now = draft.peek();
  if (!now.prompt.trim()) {
    objections.value = { prompt: t("prompt.needed") };
    document.getElementById("prompt")?.focus();
    return [];
  }
  submitting.value = true;
  objections.value = {};
  const made: Video[] = [];
  try {
    for (let at = 0; at < now.count; at += 1) {
      const video = await createVideo({ fields: fields(now, now.seed + at), files: files() });
      put(video);
      made.push(video);
    }
    onStage.value = null;
    announce(tn("said.queued", made.length));
    if (!now.locked) change({ seed: rollSeed() });
  } catch (error) {
    const param = error instanceof ApiError ? error.param : null;
    if (error instanceof ApiError && param && SHOWN.includes(param)) objections.value = { [param]: error.message };
    else complain(error);
  } finally {
    submitting.value = false;
  }
  return made;
}
