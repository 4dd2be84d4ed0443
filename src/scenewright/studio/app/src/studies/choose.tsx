/** Choosing several videos of the library in a dialog. */
import { useEffect, useState } from "preact/hooks";
import { content } from "../api/videos";
import type { Video } from "../api/types";
import { t, tn } from "../i18n";
import { find, findMore, hasMore, loading, search, shown } from "../library/listing";
import { SearchField } from "../library/search";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { valueOf } from "./splitting";

/** What is most likely to tell videos of one prompt apart. */
function settingsOf(video: Video): string {
  const fast = video.fast ? [valueOf(video, "fast")] : [];
  return [video.model, ...fast, valueOf(video, "num_inference_steps"), valueOf(video, "seed")].join(" · ");
}

export function ChooseMany(props: { chosen: string[]; onDone: (ids: string[]) => void; onClose: () => void }) {
  const [ids, setIds] = useState<string[]>(props.chosen);
  useEffect(() => void find(), []);
  const videos = shown.value;
  const here = videos.map((video) => video.id);
  const toggle = (id: string) => setIds((now) => (now.includes(id) ? now.filter((other) => other !== id) : [...now, id]));
  const every = here.length > 0 && here.every((id) => ids.includes(id));
  return (
    <Dialog title={t("choose.videos")} onClose={props.onClose} wide>
      <div class="choose-tools">
        <SearchField />
        {here.length ? (
          <Button
            kind="quiet"
            onClick={() => setIds((now) => (every ? now.filter((id) => !here.includes(id)) : [...new Set([...now, ...here])]))}
          >
            {t(every ? "choose.none" : "choose.all")}
          </Button>
        ) : null}
      </div>
      {videos.length ? (
        <ul class="cards is-small choose-cards">
          {videos.map((video) => (
            <li key={video.id} class={`card ${ids.includes(video.id) ? "is-picked" : ""}`}>
              <label class="card-choose">
                <span class="card-picture">
                  <img src={content(video.id, "thumbnail")} alt="" loading="lazy" />
                  <input type="checkbox" class="choose-box" checked={ids.includes(video.id)} onChange={() => toggle(video.id)} />
                </span>
                <span class="card-prompt">{video.title || video.prompt}</span>
                <span class="card-facts">{settingsOf(video)}</span>
              </label>
            </li>
          ))}
        </ul>
      ) : (
        <p class="quiet">{loading.value ? t("loading") : search.value.trim() ? t("library.no-match") : t("library.empty.do")}</p>
      )}
      {hasMore.value ? (
        <p class="more-row">
          <Button onClick={() => void findMore()}>{t("library.more")}</Button>
        </p>
      ) : null}
      <div class="dialog-tools choose-done">
        <Button onClick={props.onClose}>{t("cancel")}</Button>
        <Button kind="main" icon="check" onClick={() => props.onDone(ids)}>
          {ids.length ? tn("choose.take", ids.length) : t("choose.take-none")}
        </Button>
      </div>
    </Dialog>
  );
}
