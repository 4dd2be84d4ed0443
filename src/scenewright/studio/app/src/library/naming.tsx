/** A video's title and tags, kept as they are typed in. */
import { useState } from "preact/hooks";
import { updateVideo } from "../api/videos";
import type { Video } from "../api/types";
import { t } from "../i18n";
import { announce, complain } from "../state/saying";
import { put } from "../state/videos";
import { Field } from "../ui/field";
import { Icon } from "../ui/icons";

export function Naming({ video }: { video: Video }) {
  const [title, setTitle] = useState(video.title ?? "");
  const [word, setWord] = useState("");
  const update = async (changes: { title?: string; tags?: string[] }) => {
    try {
      put(await updateVideo(video.id, changes));
      announce(t("saved"));
    } catch (error) {
      complain(error);
    }
  };
  const add = () => {
    const tag = word.trim();
    setWord("");
    if (tag && !video.tags.includes(tag)) void update({ tags: [...video.tags, tag] });
  };
  return (
    <section class="naming" aria-label={t("title-and-tags")}>
      <Field label={t("title")}>
        <input
          type="text"
          value={title}
          maxLength={200}
          onInput={(event) => setTitle(event.currentTarget.value)}
          onBlur={() => title !== (video.title ?? "") && void update({ title })}
          onKeyDown={(event) => {
            if (event.key === "Enter") event.currentTarget.blur();
          }}
        />
      </Field>
      <Field label={t("tag.add")}>
        <input
          type="text"
          value={word}
          maxLength={50}
          placeholder={t("tag.placeholder")}
          onInput={(event) => setWord(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" && event.key !== ",") return;
            event.preventDefault();
            add();
          }}
          onBlur={add}
        />
      </Field>
      {video.tags.length ? (
        <ul class="tags" aria-label={t("tags")}>
          {video.tags.map((one) => (
            <li key={one}>
              <button
                type="button"
                class="tag"
                aria-label={t("tag.remove", { tag: one })}
                onClick={() => void update({ tags: video.tags.filter((other) => other !== one) })}
              >
                {one}
                <Icon name="close" size={14} />
              </button>
            </li>
          ))}
        </ul>
      ) : null}
    </section>
  );
}
