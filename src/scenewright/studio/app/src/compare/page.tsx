/** Compare: two videos in step, or a grid over settings. */
import { useEffect } from "preact/hooks";
import { getVideo } from "../api/videos";
import { moment, t } from "../i18n";
import { href, place, replace } from "../router";
import { complain } from "../state/saying";
import { all, put, video as videoOf } from "../state/videos";
import { Empty } from "../ui/empty";
import { GridView, isGrid } from "./grid";
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
  const batch = rest[1];
  if (batch) return <GridView key={batch} batch={batch} />;
  const known = new Map(all.value.flatMap((video) => (isGrid(video.batch) ? [[video.batch, video] as const] : [])));
  return (
    <>
      <GridForm from={values.get("from")} />
      {known.size ? (
        <section class="grids" aria-labelledby="grids-title">
          <h2 id="grids-title">{t("grid.earlier")}</h2>
          <ul>
            {[...known].map(([name, video]) => (
              <li key={name}>
                <a href={href("compare", ["grid", name])}>{video.prompt}</a>{" "}
                <span class="quiet">{moment(video.created_at)}</span>
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
