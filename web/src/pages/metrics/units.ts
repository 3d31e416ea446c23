/** Values of metrics with their units. Pure. */
import { bytes, duration, percent, short } from "../../time/format";
import { unitInName } from "./catalog";
import { type Built } from "./promql";

/** unitOf is the unit of what an expression gives, as OpenTelemetry writes it; "": none is known. */
export function unitOf(b: Built | undefined, unitOfMetric: (name: string) => string = () => ""): string {
  if (!b) return "";
  if (b.aggregation === "count") return "";
  const name = b.metric.replace(/_(bucket|sum|count)$/, "");
  const unit = b.metric.endsWith("_count") ? "" : unitOfMetric(name) || unitInName(name);
  if (b.quantile !== undefined || b.range === undefined) return unit;
  return b.range === "rate" ? (unit === "s" ? "1" : `${unit}/s`) : unit;
}

/** writerOf writes numbers of a unit for people. */
export function writerOf(unit: string): (v: number) => string {
  const special = (f: (v: number) => string) => (v: number) => (Number.isFinite(v) ? f(v) : String(v));
  if (unit.endsWith("/s")) {
    const amount = writerOf(unit.slice(0, -2));
    return special((v) => `${amount(v)}/s`);
  }
  switch (unit) {
    case "s":
      return special((v) => duration(v * 1e9));
    case "ms":
      return special((v) => duration(v * 1e6));
    case "us":
      return special((v) => duration(v * 1e3));
    case "ns":
      return special(duration);
    case "By":
      return special((v) => (v < 0 ? `−${bytes(-v)}` : bytes(Math.round(v * 100) / 100)));
    case "1":
      return special((v) => (v < 0 ? `−${percent(-v)}` : percent(v)));
    case "%":
    case "°C":
      return special((v) => `${short(v)} ${unit}`);
  }
  return special((v) => (v < 0 ? `−${short(-v)}` : short(v)));
}
