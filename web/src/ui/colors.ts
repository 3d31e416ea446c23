/**
 * Colours that mean the same everywhere. A service has one colour on every page
 * and in every session: it is chosen by a hash of the name. Pure.
 */

/** palette are colours that are told apart from each other on white and on black. */
export const palette = [
  "#3b82c4", "#d98324", "#3f9d6d", "#9a6dd7", "#c4599f", "#2f9fa8", "#b5892b", "#6577d8",
  "#7f9c3a", "#b3704e", "#4aa3df", "#a25b8d", "#5f8f87", "#c77f9e", "#8a7fb8", "#978a5c",
] as const;

/** errorColor is for what failed; such things carry a mark too. */
export const errorColor = "#e0413f";

/** hash is FNV-1a over UTF-16 units. */
export function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  }
  h ^= h >>> 15; // the low bits of short texts differ too little
  h = Math.imul(h, 0x2c1b3c6d);
  return (h ^ (h >>> 12)) >>> 0;
}

/** colorOf is the colour of a service, or of any other name. */
export function colorOf(name: string): string {
  return palette[hash(name) % palette.length] ?? palette[0];
}

/** rgb gives the parts of #rrggbb. */
export function rgb(hex: string): [number, number, number] {
  const n = parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

/** percentileColor keeps the percentiles of one thing apart. */
export const percentileColor: Record<string, string> = { p50: "#3b82c4", p90: "#2f9fa8", p95: "#d98324", p99: "#c4599f", "p99.9": "#6577d8" };

/** inkOn is black or white, whichever is read better on a colour: the contrast is at least 4.58. */
export function inkOn(hex: string): "#000" | "#fff" {
  const [r, g, b] = rgb(hex).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)) as [number, number, number];
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return (luminance + 0.05) ** 2 > 1.05 * 0.05 ? "#000" : "#fff";
}

/** levelColor is the colour of a log record's level. */
export const levelColor: Record<string, string> = {
  unset: "#8b949e",
  trace: "#8b949e",
  debug: "#6b8fb5",
  info: "#3f9d6d",
  warn: "#d9a024",
  error: errorColor,
  fatal: "#a3218e",
};
