/**
 * Time ranges as the URL has them: an instant is `now`, `now-15m`, RFC 3339 or
 * Unix milliseconds. Pure: no clock of its own.
 */

/** TimeRange is as it stands in the URL. */
export interface TimeRange {
  from: string;
  to: string;
}

/** Window is a range at one moment, in Unix milliseconds; end is not part of it. */
export interface Window {
  start: number;
  end: number;
}

export const initialRange: TimeRange = { from: "now-15m", to: "now" };

/** presets are the ranges to choose from, shortest first. */
export const presets: { range: TimeRange; label: string }[] = (
  [
    ["5m", "5 minutes"],
    ["15m", "15 minutes"],
    ["1h", "hour"],
    ["3h", "3 hours"],
    ["6h", "6 hours"],
    ["12h", "12 hours"],
    ["1d", "day"],
    ["2d", "2 days"],
    ["7d", "7 days"],
  ] as const
).map(([length, label]) => ({ range: { from: `now-${length}`, to: "now" }, label: `Last ${label}` }));

const units: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/** apiRange are the parameters of a request about a window. */
export function apiRange(w: Window): { start: string; end: string } {
  return { start: String(Math.floor(w.start)), end: String(Math.ceil(w.end)) };
}

/** parseLength reads 90s, 15m, 1h30m; undefined: it is none. */
export function parseLength(text: string): number | undefined {
  const t = text.trim();
  if (!/^(\d+(\.\d+)?(ms|[smhdw]))+$/.test(t)) return undefined;
  let sum = 0;
  for (const part of t.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)) {
    sum += Number(part[1]) * (units[part[2] ?? ""] ?? NaN);
  }
  return sum;
}

/** parseInstant reads one end of a range; undefined: it is no instant. */
export function parseInstant(text: string, now: number): number | undefined {
  const t = text.trim();
  if (t === "now") return now;
  const relative = /^(?:now)?\s*-\s*(.+)$/.exec(t);
  if (relative) {
    const length = parseLength(relative[1] ?? "");
    return length === undefined ? undefined : now - length;
  }
  if (/^\d{12,14}$/.test(t)) return Number(t);
  // Without a zone it is the reader's own time; a date alone is its midnight there.
  const local = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?$/.exec(t);
  const ms = local ? Date.parse(`${local[1]}T${local[2] ?? "00:00"}`) : /^\d{4}-\d\d-\d\dT/.test(t) ? Date.parse(t) : NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

/** isRelative says that the instant moves with the clock. */
export function isRelative(instant: string): boolean {
  return /^\s*(now|-)/.test(instant);
}

/** resolve gives the window that range means at now; a range that makes no sense is the initial one. */
export function resolve(range: TimeRange, now: number): Window {
  const start = parseInstant(range.from, now);
  const end = parseInstant(range.to, now);
  if (start === undefined || end === undefined || start >= end) {
    return { start: now - 15 * 60_000, end: now };
  }
  return { start, end };
}

/** checkRange says what is wrong with the texts of a range; undefined: nothing. */
export function checkRange(range: TimeRange, now: number): string | undefined {
  const start = parseInstant(range.from, now);
  const end = parseInstant(range.to, now);
  const forms = "write now-15m, 2026-11-20 10:00 or 2026-11-20T10:00:00Z";
  if (start === undefined) return `“From” is no time: ${forms}`;
  if (end === undefined) return `“To” is no time: ${forms}`;
  return start >= end ? "“From” must be before “To”" : undefined;
}

/** absolute writes a window into the URL. */
export function absolute(w: Window): TimeRange {
  return { from: String(Math.floor(w.start)), to: String(Math.ceil(w.end)) };
}

/** widen moves or stretches a window: factor 2 doubles it around its middle, shift is in lengths of itself. */
export function widen(w: Window, factor: number, shift = 0): Window {
  const length = w.end - w.start;
  const middle = (w.start + w.end) / 2 + shift * length;
  return { start: middle - (length * factor) / 2, end: middle + (length * factor) / 2 };
}
