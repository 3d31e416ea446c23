/**
 * What the pages ask first, apart from their scripts: it is asked while those
 * are still loading.
 */
import { type Ask } from "../api/request";

/** roots stands for "one span per trace" as long as there are no other conditions. */
export const roots = "span:parentID = nil";

/** askDots asks for the spans in the chart of the traces. */
export function askDots(range: { start: string; end: string }, q: string): Ask {
  return { path: "traces/points", params: { ...range, q: q || roots, format: "binary" } };
}

/** askTrace asks for what is drawn of one trace: attributes would be two thirds of a long one. */
export function askTrace(id: string): Ask {
  return { path: `traces/${encodeURIComponent(id)}`, params: { parts: "core" }, fresh: 60_000, keep: false };
}
