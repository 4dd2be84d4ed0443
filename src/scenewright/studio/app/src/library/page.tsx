/** Library: every finished video, found by words and tags. */
import { useEffect, useState } from "preact/hooks";
import { link } from "../api/events";
import { ApiError } from "../api/http";
import { getVideo } from "../api/videos";
import { t, tn } from "../i18n";
import { go, href, place } from "../router";
import { put, video } from "../state/videos";
import { say } from "../state/saying";
import { Button } from "../ui/button";
import { Empty } from "../ui/empty";
import { Card } from "./card";
import { Detail } from "./detail";
import { ImportButton } from "./importing";
import { failed, find, findMore, followFinished, hasMore, loading, picked, search, shown, tag, tags } from "./listing";
import { SearchField } from "./search";

function Tools() {
  return (
    <div class="library-tools" role="search">
      <SearchField id="search" />
      {tags.value.length ? (
        <div class="tag-filter">
          <select
            aria-label={t("tag")}
            value={tag.value}
            onChange={(event) => {
              tag.value = event.currentTarget.value;
              void find();
            }}
          >
            <option value="">{t("tag.all")}</option>
            {tags.value.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </div>
      ) : null}
      <ImportButton />
    </div>
  );
}

function Nothing() {
  if (failed.value)
    return (
      <Empty icon="warn" title={t("library.failed")}>
        <p>{failed.value}</p>
        <Button onClick={() => void find()}>{t("try-again")}</Button>
      </Empty>
    );
  if (search.value.trim() || tag.value)
    return (
      <Empty icon="search" title={t("library.no-match")}>
        <p>{t("library.no-match.do")}</p>
        <Button
          onClick={() => {
            search.value = "";
            tag.value = "";
            void find();
          }}
        >
          {t("library.show-all")}
        </Button>
      </Empty>
    );
  return (
    <Empty icon="library" title={t("library.empty")}>
      <p>{t("library.empty.do")}</p>
      <a class="button main" href={href("make")}>
        <span>{t("library.empty.make")}</span>
      </a>
    </Empty>
  );
}

function PickBar() {
  const ids = picked.value;
  if (ids.length === 0) return null;
  const [a = "", b = ""] = ids;
  return (
    <div class="pick-bar" role="region" aria-label={t("page.compare")}>
      <span>{ids.length === 1 ? t("compare.one-more") : t("compare.chosen", { n: ids.length })}</span>
      <Button kind="quiet" onClick={() => (picked.value = [])}>
        {t("clear")}
      </Button>
      <Button
        kind="main"
        icon="compare"
        disabled={ids.length !== 2}
        onClick={() => {
          picked.value = [];
          go("compare", [], { a, b });
        }}
      >
        {t("compare.do")}
      </Button>
      <Button
        icon="studies"
        disabled={ids.length < 2}
        onClick={() => {
          picked.value = [];
          go("studies", ["new", "study"], { videos: ids.join(",") });
        }}
      >
        {t("study.ask")}
      </Button>
    </div>
  );
}

/** The video that the address names, fetched where it is not known yet. */
function Opened({ id }: { id: string }) {
  const [asked, setAsked] = useState("");
  const known = video(id);
  useEffect(() => {
    if (known || asked === id) return;
    setAsked(id);
    getVideo(id).then(put, (error: unknown) => {
      say(error instanceof ApiError ? error.message : String(error), { bad: true });
      go("library");
    });
  }, [id, known]);
  return known ? <Detail video={known} /> : null;
}

export function LibraryPage() {
  useEffect(followFinished, []);
  const live = link.value === "live";
  useEffect(() => void find(), [live]);
  const open = place.value.rest[0];
  const videos = shown.value;
  return (
    <div class="library">
      <header class="page-head">
        <h1>{t("page.library")}</h1>
        <span class="quiet">{videos.length ? tn("count.videos", videos.length) : ""}</span>
        <Tools />
      </header>
      {videos.length ? (
        <ul class="cards">
          {videos.map((one) => (
            <Card key={one.id} video={one} />
          ))}
        </ul>
      ) : loading.value ? (
        <p class="quiet">{t("loading")}</p>
      ) : (
        <Nothing />
      )}
      {hasMore.value && videos.length ? (
        <p class="more-row">
          <Button disabled={loading.value} onClick={() => void findMore()}>
            {t("library.more")}
          </Button>
        </p>
      ) : null}
      <PickBar />
      {open ? <Opened id={open} /> : null}
    </div>
  );
}
