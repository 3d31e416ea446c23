/** What receivers took and refused so far, by the collector's own metrics. Pure. */
import { type Problem, type Topology, type Vector } from "./pipelines";

/** signals are what is received, with the words of people and of the collector's metrics. */
export const signals = {
  traces: { unit: "spans", one: "span" },
  metrics: { unit: "metric_points", one: "point" },
  logs: { unit: "log_records", one: "record" },
} as const;

export type Signal = keyof typeof signals;

/** receivedQuery asks for everything that receivers counted since the start. */
export function receivedQuery(instance: string): string {
  return `sum by (__name__, receiver, transport) ({__name__=~"otelcol_receiver_(accepted|refused|failed)_.+", instance=${JSON.stringify(instance)}})`;
}

/** Received is what came in at a receiver over one transport; those that counted nothing have no transport. */
export interface Received {
  receiver: string;
  transport: string;
  accepted: Record<Signal, number>;
  /** refused are those that the sender was told to keep, or that could not be read. */
  refused: Record<Signal, number>;
  problem?: Problem;
}

/** receivedOf lists the receivers that take signal, each with what it counted and its last warning. */
export function receivedOf(topology: Topology, answer: Vector | undefined, signal: Signal): Received[] {
  const rows = new Map<string, Received>();
  const row = (receiver: string, transport: string) => {
    const key = `${receiver}\0${transport}`;
    let found = rows.get(key);
    if (!found) {
      const problem = topology.problems.find((p) => p.kind === "receiver" && p.component === receiver);
      found = { receiver, transport, accepted: { traces: 0, metrics: 0, logs: 0 }, refused: { traces: 0, metrics: 0, logs: 0 }, ...(problem ? { problem } : {}) };
      rows.set(key, found);
    }
    return found;
  };
  const takes = new Set(topology.pipelines.filter((p) => p.signal === signal).flatMap((p) => p.receivers).filter((r) => !topology.connectors.includes(r)));
  for (const { metric, value } of answer?.result ?? []) {
    const parts = /^otelcol_receiver_(accepted|refused|failed)_(.+?)(_total)?$/.exec(metric["__name__"] ?? "");
    const counted = (Object.keys(signals) as Signal[]).find((s) => signals[s].unit === parts?.[2]);
    const receiver = metric["receiver"] ?? "";
    if (!parts || !counted || !takes.has(receiver)) continue;
    const r = row(receiver, metric["transport"] ?? "");
    (parts[1] === "accepted" ? r.accepted : r.refused)[counted] += Number(value[1]);
  }
  const counted = new Set([...rows.values()].map((r) => r.receiver));
  for (const receiver of takes) if (!counted.has(receiver)) row(receiver, "");
  return [...rows.values()].sort((a, b) => a.receiver.localeCompare(b.receiver) || a.transport.localeCompare(b.transport));
}
