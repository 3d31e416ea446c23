/** The metrics there are, as people think of them: a histogram is one, not its series. Pure. */

/** Kind decides which chart a metric gets first. */
export type Kind = "counter" | "gauge" | "histogram" | "native" | "summary" | "info" | "unknown";

/** Meta is one entry of /api/v1/metadata. */
export interface Meta {
  type: string;
  help: string;
  unit: string;
}

/** Metric is one metric of the catalog. */
export interface Metric {
  name: string;
  kind: Kind;
  unit: string;
  help: string;
}

/** catalog folds the names of series into metrics. */
export function catalog(names: readonly string[], metadata: Record<string, Meta[]> = {}): Metric[] {
  const all = new Set(names);
  const out = new Map<string, Metric>();
  const add = (name: string, kind: Kind) => {
    const meta = metadata[name]?.[0] ?? metadata[name.replace(/_total$/, "")]?.[0];
    if (!out.has(name)) out.set(name, { name, kind, help: meta?.help ?? "", unit: unitWords[meta?.unit ?? ""] ?? (meta?.unit || unitInName(name)) });
  };
  for (const name of names) {
    const part = /^(.+)_(bucket|sum|count)$/.exec(name);
    const base = part?.[1] ?? "";
    const type = metadata[base]?.[0]?.type;
    if (part?.[2] === "bucket" && type !== "counter" && type !== "gauge") add(base, "histogram");
    else if (part && (all.has(`${base}_bucket`) || type === "histogram" || type === "gaugehistogram")) add(base, all.has(`${base}_bucket`) ? "histogram" : "native");
    else if (part && type === "summary") add(base, "summary");
    else add(name, kindOf(name, metadata[name]?.[0]?.type));
  }
  return [...out.values()];
}

function kindOf(name: string, type: string | undefined): Kind {
  switch (type) {
    case "counter":
    case "gauge":
    case "summary":
    case "info":
      return name.endsWith("_info") ? "info" : type;
    case "histogram":
    case "gaugehistogram":
      return "native";
  }
  if (/_total$/.test(name)) return "counter";
  return /_info$/.test(name) ? "info" : "unknown";
}

/** unitWords are units as Prometheus spells them in metadata. */
const unitWords: Record<string, string> = {
  seconds: "s", milliseconds: "ms", microseconds: "us", nanoseconds: "ns", bytes: "By", bytes_per_second: "By/s", ratio: "1", percent: "%", celsius: "°C",
};

const units: [RegExp, string][] = [
  [/_milliseconds(_total)?$/, "ms"],
  [/_microseconds(_total)?$/, "us"],
  [/_nanoseconds(_total)?$/, "ns"],
  [/_seconds(_total)?$/, "s"],
  [/_bytes_per_second$/, "By/s"],
  [/_bytes(_total)?$/, "By"],
  [/_(ratio|utilization)$/, "1"],
  [/_percent$/, "%"],
  [/_celsius$/, "°C"],
];

/** unitInName gives the unit that a name ends in, as OpenTelemetry writes it. */
export function unitInName(name: string): string {
  return units.find(([suffix]) => suffix.test(name))?.[1] ?? "";
}
