/**
 * PromQL as chips write it, and back: what is in the address and in the editor is
 * PromQL only, and an expression of a known form has chips. Pure.
 */
import { type Metric } from "./catalog";

export interface Matcher {
  label: string;
  op: "=" | "!=" | "=~" | "!~";
  value: string;
}

export const aggregations = ["sum", "avg", "min", "max", "count"] as const;
export type Aggregation = (typeof aggregations)[number];

/** Built is an expression of a known form. */
export interface Built {
  /** metric is the name of the series: with _bucket when that is what is read. */
  metric: string;
  matchers: Matcher[];
  /** range is the function over a range; undefined: the value itself. */
  range?: "rate" | "increase";
  /** window is the range's length, as 5m. */
  window: string;
  /** aggregation is undefined when every series is shown. */
  aggregation?: Aggregation;
  by: string[];
  /** quantile is that of a histogram. */
  quantile?: number;
}

/** defaultWindow has two samples of anything that is collected every two minutes. */
export const defaultWindow = "5m";

const legacyName = /^[A-Za-z_:][A-Za-z0-9_:]*$/;
const legacyLabel = /^[A-Za-z_][A-Za-z0-9_]*$/;

function labelText(label: string): string {
  return legacyLabel.test(label) ? label : JSON.stringify(label);
}

/** selector writes which series are read. */
export function selector(metric: string, matchers: readonly Matcher[] = []): string {
  const parts = matchers.map((m) => `${labelText(m.label)}${m.op}${JSON.stringify(m.value)}`);
  if (!legacyName.test(metric)) return `{${[JSON.stringify(metric), ...parts].join(", ")}}`;
  return parts.length === 0 ? metric : `${metric}{${parts.join(", ")}}`;
}

/** isClassic says that the quantile comes from series of buckets. */
export function isClassic(b: Built): boolean {
  return b.quantile !== undefined && b.metric.endsWith("_bucket");
}

/** write gives the PromQL of b. */
export function write(b: Built): string {
  let text = selector(b.metric, b.matchers);
  if (b.range) text = `${b.range}(${text}[${b.window}])`;
  const by = isClassic(b) ? ["le", ...b.by] : b.by;
  const aggregation = b.quantile === undefined ? b.aggregation : "sum";
  if (aggregation) text = `${aggregation}${by.length > 0 ? ` by (${by.map(labelText).join(", ")}) ` : ""}(${text})`;
  return b.quantile === undefined ? text : `histogram_quantile(${b.quantile}, ${text})`;
}

/** read is the opposite of write; undefined: the expression is of another form. */
export function read(expression: string): Built | undefined {
  let text = expression.trim();
  const b: Built = { metric: "", matchers: [], window: defaultWindow, by: [] };
  const quantile = /^histogram_quantile\s*\(\s*(\d*\.?\d+)\s*,([^]*)\)$/.exec(text);
  if (quantile) {
    b.quantile = Number(quantile[1]);
    text = (quantile[2] ?? "").trim();
  }
  const aggregated = /^(sum|avg|min|max|count)\s*(?:by\s*\(([^()]*)\)\s*)?\(([^]*)\)$/.exec(text);
  if (aggregated) {
    b.aggregation = aggregated[1] as Aggregation;
    b.by = labelsIn(aggregated[2] ?? "");
    text = (aggregated[3] ?? "").trim();
  }
  const range = /^(rate|increase)\s*\(([^]*)\[(\w+)\]\s*\)$/.exec(text);
  if (range) {
    b.range = range[1] as "rate" | "increase";
    b.window = range[3] ?? defaultWindow;
    text = (range[2] ?? "").trim();
  }
  if (!readSelector(text, b)) return undefined;
  if (isClassic(b)) b.by = b.by.filter((l) => l !== "le");
  if (b.quantile !== undefined) delete b.aggregation;
  return squeezed(write(b)) === squeezed(expression) ? b : undefined;
}

/** squeezed is text without what does not change its meaning. */
function squeezed(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|\s+/g, (part) => (part.startsWith('"') ? part : ""));
}

function labelsIn(list: string): string[] {
  return list
    .split(",")
    .map((l) => l.trim().replace(/^"(.*)"$/, "$1"))
    .filter((l) => l !== "");
}

function readSelector(text: string, b: Built): boolean {
  const found = /^([A-Za-z_:][A-Za-z0-9_:]*)?\s*(?:\{([^]*)\})?$/.exec(text);
  if (!found || text === "") return false;
  b.metric = found[1] ?? "";
  const inside = found[2] ?? "";
  const part = /\s*(?:([A-Za-z_]\w*|"(?:[^"\\]|\\.)*")\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")|("(?:[^"\\]|\\.)*"))\s*(?:,|$)/y;
  while (part.lastIndex < inside.length) {
    const m = part.exec(inside);
    if (!m) return false;
    const label = unquoted(m[1] ?? "");
    const value = unquoted(m[3] ?? m[4] ?? "");
    if (label === undefined || value === undefined) return false;
    if (m[4] !== undefined) {
      if (b.metric !== "") return false;
      b.metric = value;
    } else b.matchers.push({ label, op: m[2] as Matcher["op"], value });
  }
  return b.metric !== "";
}

function unquoted(text: string): string | undefined {
  if (!text.startsWith('"')) return text;
  try {
    return JSON.parse(text) as string;
  } catch {
    return undefined;
  }
}

/** first gives the expressions that show a metric best. */
export function first(m: Metric): string[] {
  const base: Built = { metric: m.name, matchers: [], window: defaultWindow, by: [] };
  switch (m.kind) {
    case "counter":
      return [write({ ...base, range: "rate", aggregation: "sum" })];
    case "histogram":
    case "native":
      return [0.5, 0.95, 0.99].map((quantile) => write({ ...base, metric: m.kind === "histogram" ? `${m.name}_bucket` : m.name, range: "rate", quantile }));
  }
  return [write(base)];
}

/** Group is expressions that differ in the quantile only: one card. */
export interface Group {
  /** at is the place of the first expression in the list. */
  at: number;
  expressions: string[];
  /** built is the first one's form; undefined: it is not known. */
  built: Built | undefined;
  quantiles: number[];
}

/** grouped puts neighbours together that differ in their quantile only. */
export function grouped(expressions: readonly string[]): Group[] {
  const groups: Group[] = [];
  expressions.forEach((expression, at) => {
    const built = read(expression);
    const last = groups.at(-1);
    if (built?.quantile !== undefined && last?.built?.quantile !== undefined && write({ ...built, quantile: last.built.quantile }) === write(last.built)) {
      last.expressions.push(expression);
      last.quantiles.push(built.quantile);
      return;
    }
    groups.push({ at, expressions: [expression], built, quantiles: built?.quantile === undefined ? [] : [built.quantile] });
  });
  return groups;
}

/** rewritten is the list with a group's expressions written anew. */
export function rewritten(expressions: readonly string[], group: Group, built: Built, quantiles: readonly number[] = group.quantiles): string[] {
  const texts = built.quantile === undefined ? [write(built)] : quantiles.map((quantile) => write({ ...built, quantile }));
  return [...expressions.slice(0, group.at), ...texts, ...expressions.slice(group.at + group.expressions.length)];
}

const unitSeconds: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 };

/** secondsOf reads a length of time as PromQL has it. */
export function secondsOf(text: string): number {
  let sum = 0;
  for (const part of text.matchAll(/(\d+)(ms|[smhdwy])/g)) sum += Number(part[1]) * (unitSeconds[part[2] ?? ""] ?? 0);
  return sum;
}

/** fitted is expression with a window that is at least a step long, so that no sample falls between two points. */
export function fitted(expression: string, stepSeconds: number): string {
  const b = read(expression);
  return b?.range && secondsOf(b.window) < stepSeconds ? write({ ...b, window: `${stepSeconds}s` }) : expression;
}

/** heatmapOf gives the expression of a heatmap of the histogram that b reads. */
export function heatmapOf(b: Built, stepSeconds: number): string {
  const inner = `increase(${selector(b.metric, b.matchers)}[${Math.max(stepSeconds, 60)}s])`;
  return b.metric.endsWith("_bucket") ? `sum by (le) (${inner})` : `sum(${inner})`;
}
