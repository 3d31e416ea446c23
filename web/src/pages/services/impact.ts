/** What the tables of services and operations compute from the answers. Pure. */
import { type ServiceRow, type ServiceSeries, type Services } from "../../api/services";
import { percent } from "../../time/format";
import { type Window } from "../../time/range";

/** Rated is a row with what it means among the others. */
export interface Rated {
  row: ServiceRow;
  /** before is the same one in the period before; undefined: it had no spans, or nothing is known. */
  before: ServiceRow | undefined;
  /** impact is its part of all the time that was spent, 0 to 1: duration × rate. */
  impact: number;
  /** errorRate is the part of its spans that failed. */
  errorRate: number;
}

/** keyOf tells rows apart. */
export function keyOf(r: ServiceRow): string {
  return JSON.stringify([r.service, r.operation ?? "", r.kind ?? ""]);
}

/** rate puts rows together with those of the period before. */
export function rate(rows: readonly ServiceRow[], before: readonly ServiceRow[] = []): Rated[] {
  const earlier = new Map(before.map((r) => [keyOf(r), r]));
  const total = rows.reduce((sum, r) => sum + r.totalNanos, 0);
  return rows.map((row) => ({
    row,
    before: earlier.get(keyOf(row)),
    impact: total > 0 ? row.totalNanos / total : 0,
    errorRate: errorRate(row),
  }));
}

export function errorRate(r: { count: number; errors: number }): number {
  return r.count > 0 ? r.errors / r.count : 0;
}

/** sorts are the columns that rows can be sorted by; the first is the initial one. */
export const sorts = ["impact", "name", "rate", "errors", "p50", "p95", "p99"] as const;

export type Sort = (typeof sorts)[number];

const values: Record<Sort, (r: Rated) => number | string> = {
  impact: (r) => r.impact,
  name: (r) => r.row.operation ?? r.row.service,
  rate: (r) => r.row.rate,
  errors: (r) => r.errorRate,
  p50: (r) => r.row.p50Nanos,
  p95: (r) => r.row.p95Nanos,
  p99: (r) => r.row.p99Nanos,
};

/** sorted gives numbers largest first and names from A; reversed, the other way round. */
export function sorted(rows: readonly Rated[], by: Sort, reversed = false): Rated[] {
  const value = values[by];
  const sign = reversed ? -1 : 1;
  return [...rows].sort((a, b) => {
    const x = value(a);
    const y = value(b);
    const order = typeof x === "string" ? x.localeCompare(String(y)) : Number(y) - x;
    return sign * order || b.impact - a.impact || keyOf(a.row).localeCompare(keyOf(b.row));
  });
}

/** Change is how a number differs from the one in the period before. */
export interface Change {
  text: string;
  up: boolean;
}

/** notable is the change that is worth saying; less is noise. */
const notable = 0.05;

/** change is undefined when there is nothing to say. */
export function change(now: number, before: number | undefined): Change | undefined {
  if (before === undefined || !Number.isFinite(now) || !Number.isFinite(before)) return undefined;
  if (before === 0) return now > 0 ? { text: "new", up: true } : undefined;
  const ratio = now / before;
  if (Math.abs(ratio - 1) < notable) return undefined;
  const up = ratio > 1;
  const text = ratio >= 3 ? `×${ratio >= 10 ? Math.round(ratio) : ratio.toFixed(1)}` : `${up ? "+" : "−"}${percent(Math.abs(ratio - 1))}`;
  return { text, up };
}

/** previous is the period of the same length before a window. */
export function previous(w: Window): Window {
  return { start: w.start - (w.end - w.start), end: w.start };
}

/** minutes is the length of a step that cuts a window into at most n, as the API takes it: whole minutes. */
export function minutes(w: Window, n: number): string {
  return `${Math.max(1, Math.ceil((w.end - w.start) / n / 60_000))}m`;
}

/**
 * stepTimes gives the beginning of each step that has ended by end, in Unix
 * milliseconds: one that goes on would look as if the load fell.
 */
export function stepTimes(answer: Services, end: number): number[] {
  const steps = answer.services[0]?.series?.count.length ?? 0;
  const step = (answer.stepNanos ?? 0) / 1e6;
  const first = Number(BigInt(answer.seriesStart ?? "0") / 1_000_000n);
  const times = Array.from({ length: steps }, (_, i) => first + i * step);
  const ended = times.filter((t) => t + step <= end);
  return ended.length >= 2 ? ended : times;
}

/** errorRates is the part that failed at each step. */
export function errorRates(s: ServiceSeries): number[] {
  return s.count.map((n, i) => (n > 0 ? (s.errors[i] ?? 0) / n : 0));
}

/** sparkPath draws values into a box, as the path of an SVG; gaps stay gaps. */
export function sparkPath(values: readonly (number | null)[], width: number, height: number): string {
  const known = values.filter((v): v is number => v !== null);
  const high = Math.max(...known, 0) || 1;
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  let path = "";
  let pen = false;
  values.forEach((v, i) => {
    if (v === null) {
      pen = false;
      return;
    }
    const at = `${(i * step).toFixed(1)} ${(height - (v / high) * height).toFixed(1)}`;
    // A value between two gaps is a dot.
    path += pen ? `L${at}` : `M${at}${(values[i + 1] ?? null) === null ? "h.1" : ""}`;
    pen = true;
  });
  return path;
}
