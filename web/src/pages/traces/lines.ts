/** The percentile lines over the chart: what they are and where they go. Pure. */
import { type Window } from "../../time/range";
import { type Scales } from "./scatter";

/** percentiles are those that have a line, slowest first, as they are above each other. */
export const percentiles = ["p99", "p95", "p50"] as const;

export type Percentile = (typeof percentiles)[number];

/** Slice has the percentiles of a stretch of time in nanoseconds; count 0: nothing started in it. */
export interface Slice extends Record<Percentile, number>, Window {
  count: number;
}

/** thin is the part of the usual count below which percentiles say nothing, as those of a slice that has just begun. */
const thin = 1 / 8;

/** solid leaves out the slices that have far fewer spans than the others. */
export function solid(slices: readonly Slice[]): Slice[] {
  const full = slices.filter((s) => s.count > 0);
  const usual = full.reduce((sum, s) => sum + s.count, 0) / Math.max(1, full.length);
  return slices.map((s) => (s.count < thin * usual ? { ...s, count: 0 } : s));
}

/** wayOf is a line through the middles of slices as the path of an SVG, with gaps where nothing started. */
export function wayOf(slices: readonly Slice[], which: Percentile, s: Scales): string {
  let path = "";
  let before: Slice | undefined;
  const at = (ms: number, slice: Slice) => `${s.x(clamp(ms, s)).toFixed(1)} ${s.y(slice[which]).toFixed(1)}`;
  for (const slice of slices) {
    if (slice.count > 0) {
      path += before ? "L" : `M${at(slice.start, slice)}L`;
      path += at((slice.start + slice.end) / 2, slice);
    } else if (before) {
      path += `L${at(before.end, before)}`;
    }
    before = slice.count > 0 ? slice : undefined;
  }
  return before ? `${path}L${at(before.end, before)}` : path;
}

function clamp(ms: number, s: Scales): number {
  return Math.max(s.window.start, Math.min(s.window.end, ms));
}

/** Label is a name beside the end of its line. */
export interface Label {
  which: Percentile;
  x: number;
  y: number;
}

const labelWidth = 26;
const labelHeight = 12;

/** labelsOf places the names of the lines where these end, without one covering another. */
export function labelsOf(slices: readonly Slice[], s: Scales): Label[] {
  const last = slices.findLast((slice) => slice.count > 0 && slice.start < s.window.end);
  if (!last) return [];
  const x = Math.min(s.x(clamp(last.end, s)) + 4, s.width - labelWidth);
  const labels = percentiles.map((which) => ({ which, x, y: s.y(last[which]) }));
  for (let i = 1; i < labels.length; i++) labels[i]!.y = Math.max(labels[i]!.y, labels[i - 1]!.y + labelHeight);
  const below = labels.at(-1)!.y - (s.height - labelHeight / 2);
  if (below > 0) for (const l of labels) l.y -= below;
  return labels;
}

/** sliceAt is the slice that a time is in, when anything started in it. */
export function sliceAt(slices: readonly Slice[], ms: number): Slice | undefined {
  const slice = slices.find((x) => ms >= x.start && ms < x.end);
  return slice && slice.count > 0 ? slice : undefined;
}
