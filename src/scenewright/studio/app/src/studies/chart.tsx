/** Values with their intervals on one axis, as a picture; the numbers stand in a table beside it. */
import type { Interval } from "../api/study-types";
import { t } from "../i18n";

interface ChartProps {
  /** What is drawn, for those who do not see it. */
  label: string;
  rows: [string, Interval][];
  say: (value: number) => string;
  /** The ends of the axis; where none are given, as far as the intervals go. */
  ends?: [number, number];
  /** A value with a line of its own, like an average. */
  middle?: { value: number; label: string };
  /** What the ends mean. */
  ways?: [string, string];
}

/** An axis that holds everything, with some room at both ends. */
function ends(rows: [string, Interval][], middle: number | undefined): [number, number] {
  const values = rows.flatMap(([, { value, low, high }]) => [value, low ?? value, high ?? value]);
  if (middle !== undefined) values.push(middle);
  const from = Math.min(...values);
  const to = Math.max(...values);
  const room = 0.08 * (to - from) || 1;
  return [from - room, to + room];
}

export function intervalWords({ value, low, high }: Interval, say: (value: number) => string): string {
  return low === null || high === null ? say(value) : t("interval", { value: say(value), low: say(low), high: say(high) });
}

export function IntervalChart({ label, rows, say, ends: given, middle, ways }: ChartProps) {
  const [from, to] = given ?? ends(rows, middle?.value);
  const at = (value: number) => `${(100 * (Math.min(Math.max(value, from), to) - from)) / (to - from)}%`;
  const width = (low: number, high: number) => `calc(${at(high)} - ${at(low)})`;
  const words = rows.map(([name, interval]) => `${name}: ${intervalWords(interval, say)}`).join("; ");
  return (
    <div class="chart" role="img" aria-label={`${label}. ${words}`}>
      {rows.map(([name, { value, low, high }]) => (
        <div class="chart-row" key={name}>
          <span class="chart-name">{name}</span>
          <span class="chart-track">
            {middle ? <span class="chart-middle" style={{ left: at(middle.value) }} /> : null}
            {low !== null && high !== null ? <span class="chart-interval" style={{ left: at(low), width: width(low, high) }} /> : null}
            <span class="chart-value" style={{ left: at(value) }} />
          </span>
        </div>
      ))}
      <div class="chart-row chart-axis">
        <span class="chart-name" />
        <span class="chart-ends">
          <span>{ways ? `← ${ways[0]}` : say(from)}</span>
          {middle ? (
            <span class="chart-middle-name" style={{ left: at(middle.value) }}>
              {middle.label}
            </span>
          ) : null}
          <span>{ways ? `${ways[1]} →` : say(to)}</span>
        </span>
      </div>
    </div>
  );
}
