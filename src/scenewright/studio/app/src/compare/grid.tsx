/** A grid as its videos come: every cell is a video, every edge a setting. */
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api/http";
import { content, listVideos } from "../api/videos";
import type { Video } from "../api/types";
import { number, t } from "../i18n";
import { href } from "../router";
import { all, put } from "../state/videos";
import { Icon } from "../ui/icons";
import { still } from "../ui/motion";
import { phaseText } from "../ui/progress";
import { gridOf, type Axis } from "./axes";

export const isGrid = (batch: string | null): batch is string => batch?.startsWith("grid-") ?? false;

function Cell({ video, label }: { video: Video | null; label: string }) {
  if (!video) return <span class="cell is-missing">–</span>;
  return (
    <a class={`cell is-${video.status}`} href={href("library", [video.id])} aria-label={`${label}: ${phaseText(video)}`}>
      {video.status === "completed" ? (
        <video
          src={content(video.id)}
          poster={content(video.id, "thumbnail")}
          muted
          loop
          playsInline
          autoplay={!still.value}
          tabIndex={-1}
          aria-hidden="true"
        />
      ) : video.preview ? (
        <img src={video.preview} alt="" />
      ) : (
        <Icon name={video.status === "failed" ? "warn" : "make"} />
      )}
      {video.status === "completed" ? null : (
        <span class="cell-state">
          {phaseText(video)}
          {video.status === "in_progress" ? <progress max={100} value={video.progress} aria-label={label} /> : null}
        </span>
      )}
    </a>
  );
}

function valueName(axis: Axis, value: number | string): string {
  const shown = axis === "guidance_scale" && typeof value === "number" ? number(value) : String(value);
  return `${t(`axis.${axis}`)} ${shown}`;
}

export function GridView({ batch }: { batch: string }) {
  const [wrong, setWrong] = useState<string | null>(null);
  useEffect(() => {
    listVideos({ batch, limit: 100 }).then(
      (page) => page.data.forEach(put),
      (error: unknown) => setWrong(error instanceof ApiError ? error.message : String(error)),
    );
  }, [batch]);
  const videos = all.value.filter((video) => video.batch === batch);
  if (wrong) return <p class="wrong">{wrong}</p>;
  if (!videos.length) return <p class="quiet">{t("loading")}</p>;
  const grid = gridOf(videos);
  const columns = grid.columns?.values ?? [""];
  const rows = grid.rows?.values ?? [""];
  const done = videos.filter((video) => video.status === "completed").length;
  return (
    <section class="grid-view" aria-labelledby="grid-title">
      <header class="section-head">
        <h2 id="grid-title">{videos[0]?.prompt}</h2>
        <span class="quiet">{t("grid.done", { n: done, of: videos.length })}</span>
        {done > 1 ? (
          <a class="button plain" href={href("studies", ["new", "study"], { grid: batch })}>
            <Icon name="studies" size={18} />
            <span>{t("study.ask")}</span>
          </a>
        ) : null}
      </header>
      <div class="grid-scroll" tabIndex={0} role="group" aria-label={t("grid")}>
        <table class="grid-table">
          <thead>
            <tr>
              {grid.rows ? <td /> : null}
              {columns.map((value) => (
                <th key={value} scope="col">
                  {grid.columns ? valueName(grid.columns.axis, value) : ""}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, r) => (
              <tr key={row}>
                {grid.rows ? <th scope="row">{valueName(grid.rows.axis, row)}</th> : null}
                {columns.map((column, c) => (
                  <td key={column}>
                    <Cell
                      video={grid.at(r, c)}
                      label={[
                        grid.columns ? valueName(grid.columns.axis, column) : "",
                        grid.rows ? valueName(grid.rows.axis, row) : "",
                      ]
                        .filter(Boolean)
                        .join(", ")}
                    />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
