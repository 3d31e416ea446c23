/** The time range that the page begins with, for what is asked before there is a page. */
import { decode, oneOf, text } from "../url/codec";
import { apiRange, initialRange, resolve } from "./range";

/** refreshes are how often a page can ask again, as the URL has them. */
export const refreshes = ["off", "5s", "10s", "30s", "1m", "5m"] as const;

/** rangeFields are the time range as the URL of every page has it. */
export const rangeFields = { from: text(initialRange.from), to: text(initialRange.to), refresh: oneOf(...refreshes) };

/** opened is what "now" means until the first refresh. */
export const opened = Date.now();

/** rangeAtFirst are the parameters of requests made before the page is there. */
export function rangeAtFirst(params: URLSearchParams): { start: string; end: string } {
  return apiRange(resolve(decode(rangeFields, params), opened));
}
