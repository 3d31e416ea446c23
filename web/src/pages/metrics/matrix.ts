/** Answers of query_range as charts, tables and heatmaps have them. Pure. */
import { type Series } from "../../ui/TimeChart";
import { colorOf, palette, percentileColor } from "../../ui/colors";

/** Bucket is [boundary rule, low, high, count] of a native histogram. */
export type Bucket = [number, string, string, string];

/** Row is one series of an answer. */
export interface Row {
  metric: Record<string, string>;
  values?: [number, string][];
  histograms?: [number, { count: string; sum: string; buckets?: Bucket[] }][];
}

/** Matrix is the data of an answer to query_range. */
export interface Matrix {
  resultType: string;
  result: Row[];
}

/** numberOf reads a sample, which may be NaN, +Inf or -Inf. */
export function numberOf(text: string): number {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}

/** stepOf gives the seconds between two points: a round number, about 250 of them. */
export function stepOf(lengthSeconds: number): number {
  const wanted = lengthSeconds / 250;
  const round = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];
  return round.find((s) => s >= wanted) ?? Math.ceil(wanted / 86_400) * 86_400;
}

/** gridOf gives the times of the points: multiples of the step, so that asking again gives the same. */
export function gridOf(window: { start: number; end: number }, step: number): { start: number; end: number } {
  return { start: Math.ceil(window.start / 1000 / step) * step, end: Math.floor(window.end / 1000 / step) * step };
}

/** manyLabels is from how many labels on those that all series share are left out of their names. */
const manyLabels = 4;

/** nameOf writes a series by its labels; common are those that tell nothing apart. */
export function nameOf(metric: Record<string, string>, common: ReadonlySet<string> = new Set()): string {
  const all = Object.entries(metric).filter(([l]) => l !== "__name__");
  const labels = all.length < manyLabels ? all : all.filter(([l]) => !common.has(l));
  if (labels.length === 0) return metric["__name__"] ?? "value";
  return labels.map(([l, v]) => `${l}=${v}`).join(", ");
}

/** commonOf gives the labels that have the same value in all series. */
export function commonOf(rows: readonly Row[]): Set<string> {
  const [head, ...rest] = rows;
  return new Set(Object.entries(head?.metric ?? {}).flatMap(([l, v]) => (rest.every((r) => r.metric[l] === v) ? [l] : [])));
}

/** Line is a series of the page: what the chart draws, and what the table says. */
export interface Line extends Series {
  metric: Record<string, string>;
  /** query is the number of the expression it comes from. */
  query: number;
  last: number;
  min: number;
  max: number;
  mean: number;
}

/** linesOf puts an answer on the grid. NaN and infinities are gaps in the chart and words in the table. */
export function linesOf(matrix: Matrix, grid: { start: number; end: number }, step: number, query: number, prefix: string): Line[] {
  const n = Math.max(0, Math.round((grid.end - grid.start) / step) + 1);
  const common = commonOf(matrix.result);
  return matrix.result
    .filter((r) => r.values)
    .map((r) => {
      const values: (number | null)[] = new Array<null>(n).fill(null);
      let [last, min, max, sum, count] = [NaN, Infinity, -Infinity, 0, 0];
      for (const [at, text] of r.values ?? []) {
        const v = numberOf(text);
        last = v;
        if (!Number.isFinite(v)) continue;
        const i = Math.round((at - grid.start) / step);
        if (i >= 0 && i < n) values[i] = v;
        [min, max, sum, count] = [Math.min(min, v), Math.max(max, v), sum + v, count + 1];
      }
      const own = nameOf(r.metric, common);
      const label = prefix === "" ? own : Object.keys(r.metric).length === 0 ? prefix : `${prefix} ${own}`;
      const none = count === 0;
      return { label, values, color: percentileColor[label] ?? colorOf(label), metric: r.metric, query, last, min: none ? NaN : min, max: none ? NaN : max, mean: none ? NaN : sum / count };
    });
}

/** Heat is how many values fell into which bucket when. */
export interface Heat {
  times: number[];
  /** bounds are the buckets from low to high. */
  bounds: { low: number; high: number }[];
  /** counts are by time, then by bucket. */
  counts: number[][];
  max: number;
}

/** heatOf makes a heatmap of an answer: series with le, or native histograms. */
export function heatOf(matrix: Matrix, grid: { start: number; end: number }, step: number): Heat {
  const n = Math.max(0, Math.round((grid.end - grid.start) / step) + 1);
  const cells = new Map<string, { low: number; high: number; counts: number[] }>();
  const cell = (low: number, high: number) => {
    const key = `${low} ${high}`;
    let c = cells.get(key);
    if (!c) cells.set(key, (c = { low, high, counts: new Array<number>(n).fill(0) }));
    return c;
  };
  const place = (at: number) => Math.round((at - grid.start) / step);
  const classic = matrix.result
    .filter((r) => r.values && r.metric["le"] !== undefined)
    .map((r) => ({ le: numberOf(r.metric["le"] ?? ""), values: new Map(r.values?.map(([at, v]) => [place(at), numberOf(v)])) }))
    .sort((a, b) => a.le - b.le);
  classic.forEach((row, k) => {
    const before = classic[k - 1];
    const c = cell(before?.le ?? (row.le > 0 ? 0 : -Infinity), row.le);
    for (const [i, v] of row.values) {
      // Interpolation can make an upper bucket a little smaller than the one below.
      if (i >= 0 && i < n) c.counts[i] = Math.max(0, v - (before?.values.get(i) ?? 0)) || 0;
    }
  });
  for (const row of matrix.result) {
    for (const [at, h] of row.histograms ?? []) {
      const i = place(at);
      for (const [, low, high, count] of h.buckets ?? []) {
        const c = cell(numberOf(low), numberOf(high));
        if (i >= 0 && i < n) c.counts[i] = (c.counts[i] ?? 0) + numberOf(count);
      }
    }
  }
  const rows = [...cells.values()].filter((c) => c.counts.some((v) => v > 0)).sort((a, b) => a.low - b.low || a.high - b.high);
  return {
    times: Array.from({ length: n }, (_, i) => (grid.start + i * step) * 1000),
    bounds: rows.map(({ low, high }) => ({ low, high })),
    counts: Array.from({ length: n }, (_, i) => rows.map((r) => r.counts[i] ?? 0)),
    max: Math.max(0, ...rows.flatMap((r) => r.counts)),
  };
}

/** apart gives lines of the same colour different ones, as long as there are colours left. */
export function apart(lines: Line[]): Line[] {
  const used = new Set<string>();
  return lines.map((line) => {
    const free = used.has(line.color ?? "") ? palette.find((c) => !used.has(c)) : undefined;
    const color = free ?? line.color ?? palette[0];
    used.add(color);
    return { ...line, color };
  });
}
