import { expect, test } from "vitest";
import { type Log, type Node, type Trace } from "../../api/types";
import { ancestors, barOf, clampView, compare, find, framesOf, groupsOf, logsBySpan, marks, modelOf, operationsOf, rowsOf } from "./model";

const base = 1_795_168_800_000_000_000n;

/** spans are [name, parent, start, duration, critical] in milliseconds; self is what children leave. */
function traceOf(...spans: [string, number, number, number, number?][]): Trace {
  const nodes = spans.map(([name, parent, start, ms, critical = 0], i): Node => {
    const depthOf = (at: number): number => (at < 0 ? -1 : depthOf(spans[at]![1]) + 1);
    return {
      spanId: `s${i}`, ...(parent >= 0 ? { parentId: `s${parent}` } : {}), service: name.split("/")[0]!, name, kind: "internal", status: name.endsWith("!") ? "error" : "unset",
      start: String(base + BigInt(start) * 1_000_000n), durationNanos: ms * 1e6, parent, depth: depthOf(i),
      children: spans.filter((s) => s[1] === i).length,
      selfNanos: Math.max(0, ms - spans.filter((s) => s[1] === i).reduce((sum, s) => sum + s[3], 0)) * 1e6,
      criticalNanos: critical * 1e6, resource: 0, scope: 0,
      attributes: [{ key: "n", type: "int", value: i }],
    };
  });
  return {
    traceId: "t", start: String(base), durationNanos: Math.max(...spans.map((s) => s[2] + s[3])) * 1e6, rootService: "", rootName: "", spanCount: spans.length,
    errorCount: 0, services: [], orphanCount: 0, resources: [], scopes: [], spans: nodes, report: { partial: false, rows: 0, blocks: 0, blocksSkipped: 0 },
  };
}

// a 0-100: b 10-40, c 30-90 (d 35-80), e 95-120 outlives a.
const trace = traceOf(["a/root", -1, 0, 100, 25], ["b/x", 0, 10, 30, 20], ["c/y", 0, 30, 60, 15], ["d/z!", 2, 35, 45, 45], ["a/late", 0, 95, 25, 5]);

test("the critical path is what each span says it held up", () => {
  const m = modelOf(traceOf(["r", -1, 0, 100], ["x", 0, 10, 30], ["y", 0, 50, 40], ["z", 2, 55, 20]));
  const ms = (i: number) => (m.critical.get(i) ?? []).map((s) => [s.from / 1e6, s.to / 1e6]);
  expect(ms(0)).toEqual([[90, 100], [40, 50], [0, 10]]);
  expect(ms(1)).toEqual([[10, 40]]);
  expect(ms(2)).toEqual([[75, 90], [50, 55]]);
  expect(ms(3)).toEqual([[55, 75]]);
});

test("the segments of the critical path cover the root once", () => {
  const m = modelOf(trace);
  const all = [...m.critical.values()].flat().sort((a, b) => a.from - b.from);
  expect(all[0]!.from).toBe(0);
  expect(all.at(-1)!.to).toBe(100e6);
  for (let i = 1; i < all.length; i++) expect(all[i]!.from).toBe(all[i - 1]!.to);
  expect(m.hottest).toBe(3);
});

test("rows leave out what is below a collapsed span and show its logs", () => {
  const m = modelOf(trace);
  const log = (spanId: string, time: string): Log => ({ time, severity: 9, level: "info", service: "", body: time, spanId, cursor: "" });
  const logs = logsBySpan([log("s2", "20"), log("s2", "3"), ...Array.from({ length: 7 }, (_, i) => log("s1", String(i)))]);
  const text = rowsOf(m.items, new Set(["s2"]), logs).map((r) => (r.kind === "span" ? `s${r.index}` : r.kind === "log" ? r.log.body : `+${r.logs}`));
  expect(text).toEqual(["s0", "s1", "0", "1", "2", "3", "4", "+2", "s2", "3", "20", "s4"]);
  expect(ancestors(m.items, 3)).toEqual(["s2", "s0"]);
});

test("spans are found by text in them", () => {
  expect(find(trace.spans, "D/Z").map((s) => s.spanId)).toEqual([trace.spans[3]!.spanId]);
  expect(find(trace.spans, "n")).toHaveLength(5);
  expect(find(trace.spans, " ")).toEqual([]);
});

test("bars stay inside of the view", () => {
  const v = { from: 100, to: 200 };
  expect(barOf(v, 150, 175)).toEqual({ left: 50, width: 25 });
  expect(barOf(v, 0, 1000)).toEqual({ left: 0, width: 100 });
  expect(barOf(v, 0, 99)).toBeUndefined();
  expect(clampView([500, 100], 1000)).toEqual({ from: 0, to: 1000 });
  expect(clampView([-5, 2000], 1000)).toEqual({ from: 0, to: 1000 });
  expect(marks({ from: 0, to: 100e6 }, 5)).toEqual([0, 20e6, 40e6, 60e6, 80e6, 100e6]);
});

test("statistics and flame graph sum what does the same", () => {
  const t = modelOf(traceOf(["r", -1, 0, 100], ["q", 0, 0, 10], ["q", 0, 20, 10], ["q", 1, 2, 4], ["p", 0, 50, 20]));
  expect(operationsOf(t.items).map((o) => [o.name, o.count, o.total / 1e6, o.self / 1e6])).toEqual([["r", 1, 100, 60], ["q", 3, 24, 20], ["p", 1, 20, 20]]);
  const frames = framesOf(groupsOf(t.items)).map((f) => [f.group.name, f.depth, f.x, f.width, f.group.count]);
  expect(frames).toEqual([["r", 0, 0, 1, 1], ["q", 1, 0, 0.2, 2], ["p", 1, 0.2, 0.2, 1], ["q", 2, 0, 0.04, 1]]);
});

test("two traces are laid over each other", () => {
  const a = groupsOf(modelOf(traceOf(["r", -1, 0, 100], ["q", 0, 0, 10], ["p", 0, 50, 20])).items);
  const b = groupsOf(modelOf(traceOf(["r", -1, 0, 50], ["q", 0, 0, 30], ["n", 1, 5, 5])).items);
  expect(compare(a, b).map((d) => [d.name, d.depth, (d.a?.total ?? 0) / 1e6, (d.b?.total ?? 0) / 1e6])).toEqual([["r", 0, 100, 50], ["q", 1, 10, 30], ["n", 2, 0, 5], ["p", 1, 20, 0]]);
});

test("a chain of 20,000 spans needs no stack", () => {
  const n = 20_000;
  const t = traceOf(["r", -1, 0, 1]);
  t.spans = Array.from({ length: n }, (_, i) => ({ ...t.spans[0]!, spanId: `s${i}`, ...(i > 0 ? { parentId: `s${i - 1}` } : {}), parent: i - 1, depth: i }));
  const m = modelOf(t);
  expect(framesOf(groupsOf(m.items))).toHaveLength(n);
  expect(rowsOf(m.items, new Set(), new Map())).toHaveLength(n);
});
