/** Compare: two videos in step, or a grid over settings. */
import { useEffect } from "preact/hooks";
import { getVideo } from "../api/videos";
import { t } from "../i18n";
import { href, place, replace } from "../router";
import { complain } from "../state/saying";
import { all, put, video as videoOf } from "../state/videos";
import { Empty } from "../ui/empty";
import { GRID_TAG, GridView } from "./grid";
import { GridForm } from "./grid-form";
import { Side } from "./picker";
import { ComparePlayer } from "./player";

function useVideo(id: string | null) {
  useEffect(() => {
    if (id && !videoOf(id)) void getVideo(id).then(put, complain);
  }, [id]);
  return id ? videoOf(id) : null;
}

function Two() {
  const { values } = place.value;
  const a = useVideo(values.get("a"));
  const b = useVideo(values.get("b"));
  const choose = (side: "a" | "b") => (video: { id: string }) =>
    replace("compare", [], { ...Object.fromEntries(values), [side]: video.id });
  const ready = a?.status === "completed" && b?.status === "completed";
  return (
    <>
      <div class="sides">
        <Side letter="A" video={a} onChoose={choose("a")} />
        <Side letter="B" video={b} onChoose={choose("b")} />
      </div>
      {ready ? (
        <ComparePlayer key={`${a.id} ${b.id}`} a={a} b={b} />
      ) : (
        <Empty icon="compare" title={t("compare.empty")}>
          <p>{t("compare.empty.do")}</p>
        </Empty>
      )}
    </>
  );
}

function Grids() {
  const { rest, values } = place.value;
  const tag = rest[1];
  const known = [...new Set(all.value.flatMap((video) => video.tags.filter((one) => GRID_TAG.test(one))))];
  if (tag) return <GridView key={tag} tag={tag} />;
  return (
    <>
      <GridForm from={values.get("from")} />
      {known.length ? (
        <section class="grids" aria-labelledby="grids-title">
          <h2 id="grids-title">{t("grid.earlier")}</h2>
          <ul>
            {known.map((one) => (
              <li key={one}>
                <a href={href("compare", ["grid", one])}>{all.value.find((video) => video.tags.includes(one))?.prompt}</a>{" "}
                <span class="quiet">{one}</span>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
    </>
  );
}

export function ComparePage() {
  const grid = place.value.rest[0] === "grid";
  return (
    <div class="compare">
      <header class="page-head">
        <h1>{t("page.compare")}</h1>
        <nav class="tabs" aria-label={t("page.compare")}>
          <a href={href("compare")} aria-current={grid ? undefined : "page"}>
            {t("compare.two-videos")}
          </a>
          <a href={href("compare", ["grid"])} aria-current={grid ? "page" : undefined}>
            {t("grid")}
          </a>
        </nav>
      </header>
      {grid ? <Grids /> : <Two />}
    </div>
  );
}
