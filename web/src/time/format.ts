/** Numbers, times and lengths of time as people read them, with their units. Pure. */

/** msOf gives Unix milliseconds, with a fraction, of nanoseconds as text. */
export function msOf(nanos: string): number {
  return Number(BigInt(nanos) / 1000n) / 1000;
}

/** between gives b - a in nanoseconds, both as text; exact up to 104 days. */
export function between(a: string, b: string): number {
  return Number(BigInt(b) - BigInt(a));
}

const steps: [number, string][] = [
  [86_400e9, "d"],
  [3600e9, "h"],
  [60e9, "min"],
  [1e9, "s"],
  [1e6, "ms"],
  [1e3, "µs"],
  [1, "ns"],
];

/** duration writes nanoseconds with three digits: 1.24 s, 83.1 ms. */
export function duration(nanos: number): string {
  if (!Number.isFinite(nanos)) return "–";
  if (nanos === 0) return "0";
  const sign = nanos < 0 ? "−" : "";
  const n = Math.abs(nanos);
  for (const [size, unit] of steps) {
    if (n >= size * 0.9995 || unit === "ns") {
      return `${sign}${digits(n / size)} ${unit}`;
    }
  }
  return "0";
}

/** condition writes nanoseconds as conditions take them: exactly, without a space. */
export function conditionDuration(nanos: number): string {
  const n = Math.round(nanos);
  if (n % 1e9 === 0) return `${n / 1e9}s`;
  if (n % 1e6 === 0) return `${n / 1e6}ms`;
  if (n % 1e3 === 0) return `${n / 1e3}us`;
  return `${n}ns`;
}

function digits(v: number): string {
  const places = v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
  return v.toFixed(places).replace(/\.?0+$/, (zeros) => (zeros.startsWith(".") ? "" : places === 0 ? zeros : ""));
}

/**
 * count writes a number with separators and at most three decimals. Not by Intl,
 * which takes 20 ms to come to life: a third of all scripts that a page begins with.
 */
export function count(n: number): string {
  return String(Math.round(1000 * n) / 1000).replace(/^-?\d+/, (whole) => whole.replace(/\d(?=(\d{3})+$)/g, "$&,"));
}

/** plural writes a count with its noun. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** short writes a number with three digits and k, M, G. */
export function short(n: number): string {
  const a = Math.abs(n);
  if (!Number.isFinite(n)) return String(n);
  if (a >= 999.5e9) return `${digits(n / 1e12)}T`;
  if (a >= 999.5e6) return `${digits(n / 1e9)}G`;
  if (a >= 999.5e3) return `${digits(n / 1e6)}M`;
  if (a >= 9995) return `${digits(n / 1e3)}k`;
  if (a >= 1 || a === 0) return a >= 1000 ? count(Math.round(n)) : digits(n);
  return n.toPrecision(2).replace(/\.?0+$/, "");
}

/** percent writes a fraction: 99.2 %. */
export function percent(fraction: number): string {
  const p = 100 * fraction;
  return `${p > 99 && p < 100 ? (Math.floor(p * 10) / 10).toFixed(1) : p < 10 && p > 0 ? p.toFixed(1) : p.toFixed(0)} %`;
}

/** bytes writes a size. */
export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  if (n < 1e6) return `${digits(n / 1e3)} kB`;
  if (n < 1e9) return `${digits(n / 1e6)} MB`;
  return `${digits(n / 1e9)} GB`;
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}

/** clock writes the time of day in the reader's zone, with milliseconds. */
export function clock(ms: number, places: 0 | 3 = 3): string {
  const d = new Date(ms);
  const base = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return places === 0 ? base : `${base}.${String(d.getMilliseconds()).padStart(3, "0")}`;
}

/** day writes the date in the reader's zone. */
export function day(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
}

/** instant writes date and time in the reader's zone. */
export function instant(ms: number, places: 0 | 3 = 3): string {
  return `${day(ms)} ${clock(ms, places)}`;
}

/** utc writes date and time in UTC, for titles. */
export function utc(ms: number): string {
  return `${new Date(ms).toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

/** near writes the time only, or with the date when it is another day than now. */
export function near(ms: number, now: number, places: 0 | 3 = 3): string {
  return day(ms) === day(now) ? clock(ms, places) : instant(ms, places);
}

/** ago says how long before now something was. */
export function ago(ms: number, now: number): string {
  const d = now - ms;
  return d < 1000 ? "now" : `${duration(Math.round(d / 1000) * 1e9)} ago`;
}
