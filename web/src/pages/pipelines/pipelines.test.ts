import { expect, test } from "vitest";
import { type Problem, type Topology, type Vector } from "../../api/pipelines";
import { ratesQuery, readFlow, totalsQuery, type Flow } from "./flow";
import { graphOf, rowsOf } from "./graph";
import { becameOf } from "./losses";
import { targetsOf } from "./targets";

const problem = (p: Partial<Problem>): Problem => ({ last: "0", count: 1, level: "warn", message: "m", ...p });

const topology: Topology = {
  instance: "x",
  connectors: ["count"],
  pipelines: [
    { id: "metrics", signal: "metrics", receivers: ["count", "otlp"], processors: [], exporters: ["store"] },
    { id: "traces", signal: "traces", receivers: ["otlp"], processors: ["filter", "batch"], exporters: ["store", "count", "otlp"] },
  ],
  problems: [problem({ kind: "exporter", component: "otlp", signal: "traces", message: "latest" }), problem({ kind: "exporter", component: "otlp" })],
  losses: [],
};

const flow = (numbers: Record<string, number>): Flow => new Map(Object.entries(numbers));
const none = { rates: flow({}), totals: flow({}) };

test("a connector is one part, a receiver and an exporter of one name are two", () => {
  const { parts, ways } = graphOf(topology, none);
  expect(parts.map((p) => p.id)).toEqual([
    "pipeline metrics", "connector count", "receiver otlp", "exporter store",
    "pipeline traces", "processor filter traces", "processor batch traces", "exporter otlp",
  ]);
  expect(ways.map((w) => w.id)).toEqual([
    "connector count > pipeline metrics metrics", "receiver otlp > pipeline metrics metrics", "pipeline metrics > exporter store metrics",
    "receiver otlp > pipeline traces traces", "pipeline traces > processor filter traces traces", "processor filter traces > processor batch traces traces",
    "processor batch traces > exporter store traces", "processor batch traces > connector count traces", "processor batch traces > exporter otlp traces",
  ]);
  expect(parts.find((p) => p.id === "receiver otlp")?.signals).toEqual(["metrics", "traces"]);
  expect(parts.find((p) => p.id === "exporter otlp")?.problem?.message).toBe("latest");
  expect(parts.find((p) => p.id === "receiver otlp")?.problem).toBeUndefined();
});

test("what passes, where somebody counts", () => {
  const { parts, ways } = graphOf(topology, {
    rates: flow({ "accepted traces otlp": 20, "incoming traces filter": 20, "outgoing traces filter": 12, "sent traces store": 12 }),
    totals: flow({ "refused traces otlp": 3, "incoming traces filter": 20, "outgoing traces filter": 12, "unsent traces otlp": 1200, "queued traces otlp": 900, "capacity traces otlp": 1000 }),
  });
  const rate = (id: string) => ways.find((w) => w.id === id)?.rate;
  expect(rate("receiver otlp > pipeline traces traces")).toBe(20);
  expect(rate("pipeline traces > processor filter traces traces")).toBe(20);
  expect(rate("processor filter traces > processor batch traces traces")).toBe(12);
  expect(rate("processor batch traces > exporter store traces")).toBeUndefined();
  expect(rate("pipeline metrics > exporter store metrics")).toBeUndefined();
  const facts = (id: string) => parts.find((p) => p.id === id)?.facts.map((f) => (f.bad ? `! ${f.text}` : f.text));
  expect(facts("receiver otlp")).toEqual(["20 spans/s", "! 3 spans refused"]);
  expect(facts("processor filter traces")).toEqual(["20 spans/s", "! 8 spans not passed on"]);
  expect(facts("exporter otlp")).toEqual(["! 1,200 spans not sent", "! queue 900 of 1,000"]);
});

test("a processor that several pipelines have is counted for all of them", () => {
  const shared: Topology = {
    ...topology,
    pipelines: ["logs/a", "logs/b"].map((id) => ({ id, signal: "logs", receivers: ["otlp"], processors: ["batch"], exporters: ["store"] })),
  };
  const { ways } = graphOf(shared, { rates: flow({ "accepted logs otlp": 5, "outgoing logs batch": 10 }), totals: flow({}) });
  expect(ways.map((w) => w.rate)).toEqual([5, 5, undefined, 5, 5, undefined]);
});

test("rows are components by kind and signal", () => {
  const rows = rowsOf(topology, none);
  expect(rows.map((r) => `${r.kind} ${r.name} ${r.signal}: ${r.pipelines.join()}`)).toEqual([
    "receiver otlp metrics: metrics", "receiver otlp traces: traces", "processor batch traces: traces", "processor filter traces: traces",
    "connector count metrics: metrics", "connector count traces: traces",
    "exporter otlp traces: traces", "exporter store metrics: metrics", "exporter store traces: traces",
  ]);
});

test("queries name the instance, answers are read back", () => {
  expect(ratesQuery('a"b', 300)).toContain('rate(otelcol_receiver_accepted_spans_total{instance="a\\"b"}[300s])');
  expect(totalsQuery("x")).toContain('otelcol_exporter_queue_size{instance="x"}');
  const answer: Vector = { result: [{ metric: { what: "sent", id: "store", signal: "logs", exporter: "store" }, value: [0, "1.5"] }] };
  expect([...readFlow(answer)]).toEqual([["sent logs store", 1.5]]);
});

test("targets that are down come first, with the reason", () => {
  const series = (name: string, instance: string, v: string) => ({ metric: { __name__: name, job: "j", instance }, value: [0, v] as [number, string] });
  const problems = [problem({ detail: 'refused; {instance="b", job="j"}' })];
  const targets = targetsOf({ result: [series("scrape_samples_scraped", "a", "7"), series("up", "a", "1"), series("up", "b", "0"), series("scrape_duration_seconds", "gone", "1")] }, problems);
  expect(targets.map((t) => [t.instance, t.up, t.samples, t.problem?.detail])).toEqual([["b", false, undefined, problems[0]?.detail], ["a", true, 7, undefined]]);
});

test("a loss is a sentence, for one and for many, and for reasons of later versions", () => {
  const loss = { last: "0", kind: "exporter", component: "otlp", signal: "traces", outcome: "failed", reason: "queue_full", items: 1 } as const;
  expect(becameOf(loss, "1")).toBe("1 span lost: the sending queue is full");
  expect(becameOf({ ...loss, outcome: "dropped", reason: "filtered", signal: "logs", items: 2000 }, "2,000")).toBe("2,000 records left out on purpose: the filter's conditions want it");
  expect(becameOf({ ...loss, outcome: "retried", reason: "new_reason", items: 3 }, "3")).toBe("tried again 3 times: new_reason");
});
