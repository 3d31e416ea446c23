/** The pipelines as a graph, and as rows of a table. Pure. */
import { type Pipeline, type Problem, type Topology } from "../../api/pipelines";
import { short } from "../../time/format";
import { amount, unitWord, type Flow, type What } from "./flow";

export type Kind = "receiver" | "processor" | "exporter" | "connector";

/** Fact is one line about a component; bad ones are about data that did not get on. */
export interface Fact {
  text: string;
  bad?: boolean;
}

/** Part is a component, or the beginning of a pipeline. */
export interface Part {
  id: string;
  kind: Kind | "pipeline";
  name: string;
  signals: string[];
  facts: Fact[];
  /** problem is the latest that it logged. */
  problem?: Problem;
}

/** Flowing is the way from one part to another. */
export interface Flowing {
  id: string;
  from: string;
  to: string;
  signal: string;
  /** rate is in items per second; undefined: nobody counts there. */
  rate: number | undefined;
}

/** Counts are the numbers that the collector has about itself. */
export interface Counts {
  rates: Flow;
  totals: Flow;
}

/**
 * graphOf draws receivers → pipeline → processors → exporters. A connector is one
 * part: exporter of one pipeline and receiver of another. A receiver or exporter
 * of several pipelines is one part too, a processor is one in each.
 */
export function graphOf(topology: Topology, counts: Counts): { parts: Part[]; ways: Flowing[] } {
  const connectors = new Set(topology.connectors);
  const parts = new Map<string, Part>();
  const ways: Flowing[] = [];
  const part = (kind: Part["kind"], name: string, signal: string, id = `${kind} ${name}`): string => {
    const known = parts.get(id);
    if (!known) parts.set(id, { id, kind, name, signals: [signal], facts: [] });
    else if (!known.signals.includes(signal)) known.signals.push(signal);
    return id;
  };
  const way = (from: string, to: string, signal: string, rate: number | undefined) => void ways.push({ id: `${from} > ${to} ${signal}`, from, to, signal, rate });
  for (const p of topology.pipelines) {
    const begin = part("pipeline", p.id, p.signal);
    for (const r of p.receivers) way(part(connectors.has(r) ? "connector" : "receiver", r, p.signal), begin, p.signal, amount(counts.rates, "accepted", r, p.signal));
    let at = begin;
    let rate = entering(p, connectors, counts.rates);
    for (const name of p.processors) {
      const next = part("processor", name, p.signal, `processor ${name} ${p.id}`);
      way(at, next, p.signal, rate);
      // What is counted is the processor's work in all pipelines of the signal.
      const alone = topology.pipelines.filter((o) => o.signal === p.signal && o.processors.includes(name)).length === 1;
      rate = alone ? amount(counts.rates, "outgoing", name, p.signal) : undefined;
      at = next;
    }
    for (const e of p.exporters) way(at, part(connectors.has(e) ? "connector" : "exporter", e, p.signal), p.signal, rate);
  }
  for (const p of parts.values()) {
    p.facts = factsOf(p, counts);
    const problem = p.kind === "pipeline" ? undefined : problemOf(p, topology.problems);
    if (problem) p.problem = problem;
  }
  return { parts: [...parts.values()], ways };
}

/** entering is what a pipeline's receivers accept; undefined when one of them does not count. */
function entering(p: Pipeline, connectors: ReadonlySet<string>, rates: Flow): number | undefined {
  let sum = 0;
  for (const r of p.receivers) {
    if (connectors.has(r)) return undefined;
    sum += amount(rates, "accepted", r, p.signal) ?? 0;
  }
  return rates.size > 0 ? sum : undefined;
}

function problemOf(part: Part, problems: readonly Problem[]): Problem | undefined {
  return problems.find((p) => p.kind === part.kind && p.component === part.name && (!p.signal || part.signals.includes(p.signal)));
}

const passing: Partial<Record<Part["kind"], What>> = { receiver: "accepted", processor: "incoming", exporter: "sent" };

const lost: Partial<Record<Part["kind"], [What, string][]>> = {
  receiver: [["refused", "refused"], ["failed", "failed"]],
  exporter: [["unsent", "not sent"], ["dropped", "dropped: queue full"]],
};

function factsOf(part: Part, { rates, totals }: Counts): Fact[] {
  const facts: Fact[] = [];
  const what = passing[part.kind];
  for (const signal of part.signals) {
    const rate = what && amount(rates, what, part.name, signal);
    if (rate !== undefined) facts.push({ text: `${short(rate)} ${unitWord(signal)}/s` });
  }
  for (const signal of part.signals) {
    for (const loss of losses(part.kind, part.name, signal, totals)) facts.push({ text: `${short(loss.count)} ${unitWord(signal)} ${loss.word}`, bad: true });
    const queue = part.kind === "exporter" ? queueOf(part.name, signal, totals) : undefined;
    if (queue) facts.push({ text: `queue ${queue.text}`, bad: queue.full });
  }
  return facts;
}

/** losses is what did not get on since the start, and why. */
export function losses(kind: Part["kind"], name: string, signal: string, totals: Flow): { count: number; word: string }[] {
  if (kind === "processor") {
    const gone = (amount(totals, "incoming", name, signal) ?? 0) - (amount(totals, "outgoing", name, signal) ?? 0);
    // A processor that makes batches has some in hand, one that filters drops on purpose: it is said, not called a failure.
    return gone > 0 ? [{ count: gone, word: "not passed on" }] : [];
  }
  return (lost[kind] ?? []).flatMap(([what, word]) => {
    const count = amount(totals, what, name, signal) ?? 0;
    return count > 0 ? [{ count, word }] : [];
  });
}

/** queueOf is how full an exporter's queue is; undefined: it has none. */
export function queueOf(name: string, signal: string, totals: Flow): { text: string; full: boolean } | undefined {
  const queued = amount(totals, "queued", name, signal);
  const capacity = amount(totals, "capacity", name, signal);
  if (queued === undefined || !capacity) return undefined;
  return { text: `${short(queued)} of ${short(capacity)}`, full: queued > 0.8 * capacity };
}

/** Row is one signal of one component. */
export interface Row {
  key: string;
  kind: Kind;
  name: string;
  signal: string;
  pipelines: string[];
  rate: number | undefined;
  lost: { count: number; word: string }[];
  queue: { text: string; full: boolean } | undefined;
  problem: Problem | undefined;
}

const order: Kind[] = ["receiver", "processor", "connector", "exporter"];

/** rowsOf lists the components by kind: what the graph shows, for those who cannot see it. */
export function rowsOf(topology: Topology, counts: Counts): Row[] {
  const connectors = new Set(topology.connectors);
  const rows = new Map<string, Row>();
  const add = (kind: Kind, name: string, p: Pipeline) => {
    const is = connectors.has(name) && kind !== "processor" ? "connector" : kind;
    const key = `${is} ${name} ${p.signal}`;
    const row = rows.get(key);
    if (row) {
      if (!row.pipelines.includes(p.id)) row.pipelines.push(p.id);
      return;
    }
    const what = passing[is];
    rows.set(key, {
      key, kind: is, name, signal: p.signal, pipelines: [p.id],
      rate: what && amount(counts.rates, what, name, p.signal),
      lost: losses(is, name, p.signal, counts.totals),
      queue: is === "exporter" ? queueOf(name, p.signal, counts.totals) : undefined,
      problem: problemOf({ id: "", kind: is, name, signals: [p.signal], facts: [] }, topology.problems),
    });
  };
  for (const p of topology.pipelines) {
    for (const r of p.receivers) add("receiver", r, p);
    for (const name of p.processors) add("processor", name, p);
    for (const e of p.exporters) add("exporter", e, p);
  }
  return [...rows.values()].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || a.name.localeCompare(b.name) || a.signal.localeCompare(b.signal));
}
