/** How many log records there are over time, as a chart has it. Pure. */
import { type Report } from "../../api/types";
import { msOf } from "../../time/format";
import { type Series } from "../../ui/TimeChart";
import { levelColor } from "../../ui/colors";

/** Volume is the answer of logs/volume. */
export interface Volume {
  start: string;
  stepNanos: number;
  total: number;
  levels: string[];
  counts: number[][];
  report: Report;
}

/** LevelCount is how many records have a level. */
export interface LevelCount {
  level: string;
  count: number;
}

/** chartOf gives one series for each level that occurs, the least severe at the bottom. */
export function chartOf(v: Volume): { times: number[]; series: Series[]; levels: LevelCount[] } {
  const start = msOf(v.start);
  const times = v.counts.map((_, i) => start + (i * v.stepNanos) / 1e6);
  const series: Series[] = [];
  const levels: LevelCount[] = [];
  v.levels.forEach((level, n) => {
    const values = v.counts.map((c) => c[n] ?? 0);
    const count = values.reduce((a, b) => a + b, 0);
    if (count === 0) return;
    series.push({ label: level, values, color: levelColor[level] ?? "#8b949e" });
    levels.push({ level, count });
  });
  return { times, series, levels };
}
