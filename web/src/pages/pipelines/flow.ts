/**
 * How much passes through the collector's components, by its own metrics. Pure:
 * writes PromQL and reads the answer.
 */
import { type Vector } from "../../api/pipelines";

/** unitOf is what a signal consists of, as the collector's metrics call it. */
export const unitOf: Record<string, string> = { traces: "spans", metrics: "metric_points", logs: "log_records" };

/** unitWord is what people call it. */
export function unitWord(signal: string): string {
  return { traces: "spans", metrics: "points", logs: "records" }[signal] ?? "items";
}

/** What is what can happen to data at a component. */
export type What =
  | "accepted" | "refused" | "failed" // receivers
  | "incoming" | "outgoing" // processors
  | "sent" | "unsent" | "dropped" // exporters
  | "queued" | "capacity"; // their queues

const named: [What, component: string, metric: string][] = [
  ["accepted", "receiver", "otelcol_receiver_accepted_"],
  ["refused", "receiver", "otelcol_receiver_refused_"],
  ["failed", "receiver", "otelcol_receiver_failed_"],
  ["sent", "exporter", "otelcol_exporter_sent_"],
  ["unsent", "exporter", "otelcol_exporter_send_failed_"],
  ["dropped", "exporter", "otelcol_exporter_enqueue_failed_"],
];

const labelled: [What, component: string, signal: string, metric: string][] = [
  ["incoming", "processor", "otel_signal", "otelcol_processor_incoming_items_total"],
  ["outgoing", "processor", "otel_signal", "otelcol_processor_outgoing_items_total"],
];

const gauges: [What, metric: string][] = [
  ["queued", "otelcol_exporter_queue_size"],
  ["capacity", "otelcol_exporter_queue_capacity"],
];

/** ratesQuery asks for what passes each second, on average over seconds. */
export function ratesQuery(instance: string, seconds: number): string {
  return counters((metric) => `rate(${metric}${selector(instance)}[${Math.round(seconds)}s])`).join(" or ");
}

/** totalsQuery asks for all since the start, and for what is in queues now. */
export function totalsQuery(instance: string): string {
  const queues = gauges.map(([what, metric]) => tagged(`label_replace(sum by (exporter, data_type) (${metric}${selector(instance)}), "signal", "$1", "data_type", "(.*)")`, what, "exporter"));
  return [...counters((metric) => metric + selector(instance)), ...queues].join(" or ");
}

function counters(value: (metric: string) => string): string[] {
  return [
    ...named.flatMap(([what, component, metric]) =>
      Object.entries(unitOf).map(([signal, unit]) => tagged(constant(`sum by (${component}) (${value(`${metric}${unit}_total`)})`, "signal", signal), what, component)),
    ),
    ...labelled.map(([what, component, signal, metric]) =>
      tagged(`label_replace(sum by (${component}, ${signal}) (${value(metric)}), "signal", "$1", "${signal}", "(.*)")`, what, component),
    ),
  ];
}

function selector(instance: string): string {
  return `{instance=${JSON.stringify(instance)}}`;
}

function constant(expression: string, label: string, value: string): string {
  return `label_replace(${expression}, "${label}", "${value}", "", "")`;
}

/** tagged puts what it is and the component's id into labels of one name. */
function tagged(expression: string, what: What, component: string): string {
  return constant(`label_replace(${expression}, "id", "$1", "${component}", "(.*)")`, "what", what);
}

/** Flow is numbers by what, component and signal. */
export type Flow = ReadonlyMap<string, number>;

/** readFlow reads the answer to either query. */
export function readFlow(answer: Vector | undefined): Flow {
  const flow = new Map<string, number>();
  for (const { metric, value } of answer?.result ?? []) {
    flow.set(key(metric["what"] as What, metric["id"] ?? "", metric["signal"] ?? ""), Number(value[1]));
  }
  return flow;
}

/** amount is undefined when nothing was counted. */
export function amount(flow: Flow, what: What, id: string, signal: string): number | undefined {
  return flow.get(key(what, id, signal));
}

function key(what: What, id: string, signal: string): string {
  return `${what} ${signal} ${id}`;
}
