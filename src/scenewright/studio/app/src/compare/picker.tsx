/** One side of a comparison: the video chosen, and a dialog to choose another. */
import { useEffect, useState } from "preact/hooks";
import { content } from "../api/videos";
import type { Video } from "../api/types";
import { t } from "../i18n";
import { facts } from "../make/stage";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { find, findMore, hasMore, shown } from "../library/listing";
import { Button } from "../ui/button";

export function Choose({ title, onChoose, onClose }: { title: string; onChoose: (video: Video) => void; onClose: () => void }) {
  useEffect(() => void find(), []);
  const videos = shown.value;
  return (
    <Dialog title={title} onClose={onClose} wide>
      {videos.length ? (
        <ul class="cards is-small">
          {videos.map((video) => (
            <li key={video.id} class="card">
              <button type="button" class="card-choose" onClick={() => onChoose(video)}>
                <span class="card-picture">
                  <img src={content(video.id, "thumbnail")} alt="" loading="lazy" />
                </span>
                <span class="card-prompt">{video.title || video.prompt}</span>
                <span class="card-facts">{facts(video)}</span>
              </button>
            </li>
          ))}
        </ul>
      ) : (
        <p class="quiet">{t("library.empty.do")}</p>
      )}
      {hasMore.value ? (
        <p class="more-row">
          <Button onClick={() => void findMore()}>{t("library.more")}</Button>
        </p>
      ) : null}
    </Dialog>
  );
}

export function Side({ letter, video, onChoose }: { letter: "A" | "B"; video: Video | null; onChoose: (video: Video) => void }) {
  const [open, setOpen] = useState(false);
  return (
    <div class="side">
      <button type="button" class="side-button" onClick={() => setOpen(true)}>
        <span class="side-letter" aria-hidden="true">
          {letter}
        </span>
        {video ? <img src={content(video.id, "thumbnail")} alt="" /> : <Icon name="picture" />}
        <span class="side-words">
          <span class="sr-only">{t("compare.choose", { side: letter })} </span>
          <span class="side-prompt">{video ? video.title || video.prompt : t("compare.choose", { side: letter })}</span>
          {video ? <span class="card-facts">{facts(video)}</span> : null}
        </span>
      </button>
      {open ? (
        <Choose
          title={t("compare.choose", { side: letter })}
          onClose={() => setOpen(false)}
          onChoose={(chosen) => {
            setOpen(false);
            onChoose(chosen);
          }}
        />
      ) : null}
    </div>
  );
}
