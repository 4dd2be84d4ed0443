/** A grid of videos: the values along its edges, and the grid read back from the videos themselves. */
import type { Video } from "../api/types";

export const AXES = ["seed", "guidance_scale", "num_inference_steps", "model"] as const;
export type Axis = (typeof AXES)[number];
export const MOST_VALUES = 8;

/** "1, 4, 8" or "41-44" as values; null where it is neither. */
export function readValues(axis: Axis, text: string): (number | string)[] | null {
  const parts = text.split(/[,;\s]+/).filter(Boolean);
  const values: (number | string)[] = [];
  for (const part of parts) {
    const range = /^(\d+)[-–](\d+)$/.exec(part);
    if (axis === "model") values.push(part);
    else if (range) {
      const [from, to] = [Number(range[1]), Number(range[2])];
      if (to < from || to - from >= MOST_VALUES) return null;
      for (let value = from; value <= to; value += 1) values.push(value);
    } else {
      const value = Number(part.replace(",", "."));
      if (!Number.isFinite(value) || value < 0) return null;
      if (axis !== "guidance_scale" && !Number.isInteger(value)) return null;
      values.push(value);
    }
  }
  const once = [...new Set(values)];
  return once.length && once.length <= MOST_VALUES ? once : null;
}

export interface Grid {
  columns: { axis: Axis; values: (number | string)[] } | null;
  rows: { axis: Axis; values: (number | string)[] } | null;
  at: (row: number, column: number) => Video | null;
}

function value(video: Video, axis: Axis): number | string {
  return video[axis] ?? "";
}

function sorted(values: (number | string)[]): (number | string)[] {
  return values.sort((a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b))));
}

/** The grid that `videos` span: the settings that differ between them are its edges. */
export function gridOf(videos: readonly Video[]): Grid {
  const varied = AXES.flatMap((axis) => {
    const values = sorted([...new Set(videos.map((video) => value(video, axis)))]);
    return values.length > 1 ? [{ axis, values }] : [];
  });
  const columns = varied[0] ?? null;
  const rows = varied[1] ?? null;
  return {
    columns,
    rows,
    at: (row, column) =>
      videos.find(
        (video) =>
          (!columns || value(video, columns.axis) === columns.values[column]) &&
          (!rows || value(video, rows.axis) === rows.values[row]),
      ) ?? null,
  };
}
