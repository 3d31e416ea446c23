/**
 * Finding metrics by what somebody remembers of them: parts of the name with any
 * separators, words of the help text, the service. Pure.
 */
import { type Kind, type Metric } from "./catalog";

/** Found is a metric and why it was found. */
export interface Found {
  metric: Metric;
  score: number;
  /** by says which words were found elsewhere than in the name. */
  by: "name" | "help" | "service";
}

/** wordsOf cuts what was typed, or a name, into lower-case words. */
export function wordsOf(text: string): string[] {
  return text
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((w) => w !== "");
}

/** usefulness puts what answers questions before what describes. */
const usefulness: Record<Kind, number> = { counter: 16, histogram: 16, native: 16, gauge: 11, summary: 9, unknown: 6, info: -30 };

/** housekeeping are metrics of runtimes and of collecting itself: asked for by name only. */
const housekeeping = /^(go_|process_|prometheus_|promhttp_|scrape_|otelcol_|signalbox_|python_|jvm_|up$|target_info$)/;

/**
 * find gives the metrics that every word of text is found in, the most useful
 * first. ofService says which services a word names, by the names of their metrics.
 */
export function find(metrics: readonly Metric[], text: string, ofService: (word: string) => ReadonlySet<string> | undefined = () => undefined): Found[] {
  const words = wordsOf(text);
  const joined = words.join("_");
  const found: Found[] = [];
  for (const metric of metrics) {
    const name = wordsOf(metric.name);
    const whole = name.join("_");
    let score = usefulness[metric.kind] - (joined === "" ? 0 : whole.length / 20) - (/_created$/.test(metric.name) ? 45 : 0);
    let by: Found["by"] = "name";
    let all = true;
    for (const word of words) {
      let best = inName(name, whole, word);
      if (best < 40 && ofService(word)?.has(metric.name)) [best, by] = [40, "service"];
      if (best < 30 && inHelp(metric.help, word)) [best, by] = [30, by === "service" ? by : "help"];
      if (best === 0) {
        all = false;
        break;
      }
      score += best;
    }
    if (!all) continue;
    if (joined !== "" && whole.includes(joined)) score += whole.startsWith(joined) ? 45 : 30;
    if (joined === "" || by !== "name") score -= housekeeping.test(metric.name) ? 40 : 0;
    found.push({ metric, score, by });
  }
  return found.sort((a, b) => b.score - a.score || (a.metric.name < b.metric.name ? -1 : 1));
}

function inName(name: string[], whole: string, word: string): number {
  if (name.includes(word)) return 100;
  if (name.some((n) => n.startsWith(word))) return 85;
  if (whole.includes(word)) return 60;
  const gaps = word.length >= 3 ? gapsOf(whole, word) : -1;
  return gaps < 0 || gaps > 2 * word.length ? 0 : Math.max(5, 26 - gaps);
}

/** gapsOf counts the letters between those of word when they are in text in this order; -1: they are not. */
function gapsOf(text: string, word: string): number {
  let at = text.indexOf(word[0] ?? "");
  if (at < 0) return -1;
  let gaps = 0;
  for (const c of word.slice(1)) {
    const next = text.indexOf(c, at + 1);
    if (next < 0) return -1;
    gaps += next - at - 1;
    at = next;
  }
  return gaps;
}

function inHelp(help: string, word: string): boolean {
  return wordsOf(help).some((w) => w.startsWith(word));
}

/** marks gives the parts of a name that were typed, as [from, to). */
export function marks(name: string, text: string): [number, number][] {
  const lower = name.toLowerCase();
  const out: [number, number][] = [];
  for (const word of wordsOf(text)) {
    const at = lower.indexOf(word);
    if (at >= 0) out.push([at, at + word.length]);
  }
  out.sort((a, b) => a[0] - b[0]);
  return out.filter(([from], i) => i === 0 || from >= (out[i - 1]?.[1] ?? 0));
}
