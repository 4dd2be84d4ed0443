/** From the form to the queue. */
import { signal } from "@preact/signals";
import { ApiError } from "../api/http";
import type { Video } from "../api/types";
import { createVideo } from "../api/videos";
import { t, tn } from "../i18n";
import { announce, complain } from "../state/saying";
import { put } from "../state/videos";
import { still } from "../ui/motion";
import { change, draft, fields, objections, pictureFields, rollSeed, SHOWN } from "./draft";

export const submitting = signal(false);
/** The video on the stage, null for whatever is being made. */
export const onStage = signal<string | null>(null);

/** A name that videos of one submission share. */
export function newBatch(kind: "batch" | "grid"): string {
  return `${kind}-${Math.random().toString(36).slice(2, 10)}`;
}

/** In a narrow window the stage is far below the form: go there, unless it is in sight. */
function showStage(): void {
  const stage = document.querySelector(".workplace");
  if (!stage || stage.getBoundingClientRect().top < window.innerHeight / 2) return;
  stage.scrollIntoView({ behavior: still.peek() ? "auto" : "smooth" });
}

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
  const batch: Record<string, string> = now.count > 1 ? { batch: newBatch("batch") } : {};
  try {
    for (let at = 0; at < now.count; at += 1) {
      const given = pictureFields();
      const body = { ...fields(now, now.seed + at), ...given.fields, ...batch };
      const video = await createVideo({ fields: body, files: given.files });
      put(video);
      made.push(video);
    }
    onStage.value = null;
    announce(tn("said.queued", made.length));
    showStage();
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
