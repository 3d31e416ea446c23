/**
 * A trace as the views need it: times as numbers from its start, rows to show,
 * the critical path, sums by operation. Pure.
 */
import { type Log, type Node, type Span, type Trace } from "../../api/types";
import { between } from "../../time/format";

/** Item is one span with its times, in nanoseconds from the start of the trace. */
export interface Item {
  span: Node;
  index: number;
  start: number;
  end: number;
  children: number[];
}

/** Segment is a time in which one span itself held up the end of the trace. */
export interface Segment {
  from: number;
  to: number;
}

/** Model is a trace that is ready to be drawn. */
export interface Model {
  trace: Trace;
  items: Item[];
  /** length is the time from the first start to the last end. */
  length: number;
  byId: Map<string, number>;
  /** critical has the segments of the critical path by span. */
  critical: Map<number, Segment[]>;
  /** hottest is the span that itself held up the end longest; -1: none. */
  hottest: number;
}

export function modelOf(trace: Trace): Model {
  const items: Item[] = trace.spans.map((span, index) => {
    const start = between(trace.start, span.start);
    return { span, index, start, end: start + span.durationNanos, children: [] };
  });
  for (const item of items) items[item.span.parent]?.children.push(item.index);
  let hottest = -1;
  for (const item of items) {
    if (item.span.criticalNanos > (items[hottest]?.span.criticalNanos ?? 0)) hottest = item.index;
  }
  return {
    trace,
    items,
    length: Math.max(1, trace.durationNanos),
    byId: new Map(items.map((i) => [i.span.spanId, i.index])),
    critical: criticalPath(items),
    hottest,
  };
}

/**
 * criticalPath walks back from the end of the root: whatever ran last before each
 * instant held up the end. It is the walk of internal/query that gives each
 * span's criticalNanos, with the places kept.
 */
export function criticalPath(items: Item[]): Map<number, Segment[]> {
  const path = new Map<number, Segment[]>();
  const root = items.find((i) => i.span.parentId === undefined || i.span.parentId === "") ?? items.reduce<Item | undefined>((a, b) => (a && a.start <= b.start ? a : b), undefined);
  if (!root) return path;
  const work = [{ item: root, from: root.start, to: root.end }];
  const add = (index: number, from: number, to: number) => {
    const segments = path.get(index);
    if (segments) segments.push({ from, to });
    else path.set(index, [{ from, to }]);
  };
  for (let w = work.pop(); w; w = work.pop()) {
    const byEnd = w.item.children.map((c) => items[c]!).sort((a, b) => b.end - a.end);
    let at = w.to;
    for (const child of byEnd) {
      const from = Math.max(child.start, w.from);
      const to = Math.min(child.end, w.to);
      if (from >= to || to > at) continue;
      if (at > to) add(w.item.index, to, at);
      work.push({ item: child, from, to });
      at = from;
    }
    if (at > w.from) add(w.item.index, w.from, at);
  }
  return path;
}

/** Row is one line of the waterfall. */
export type Row = { kind: "span"; index: number } | { kind: "log"; index: number; log: Log } | { kind: "more"; index: number; logs: number };

/** logsShown is how many log lines stand below a span. */
const logsShown = 5;

/** rowsOf gives the lines to show: nothing below a collapsed span. */
export function rowsOf(items: Item[], collapsed: ReadonlySet<string>, logs: ReadonlyMap<string, Log[]>): Row[] {
  const rows: Row[] = [];
  let hidden = Infinity; // depth below which nothing is shown
  for (const item of items) {
    if (item.span.depth > hidden) continue;
    hidden = collapsed.has(item.span.spanId) ? item.span.depth : Infinity;
    rows.push({ kind: "span", index: item.index });
    const lines = logs.get(item.span.spanId) ?? [];
    for (const log of lines.slice(0, logsShown)) rows.push({ kind: "log", index: item.index, log });
    if (lines.length > logsShown) rows.push({ kind: "more", index: item.index, logs: lines.length - logsShown });
  }
  return rows;
}

/** logsBySpan groups a trace's log records, each span's by time. */
export function logsBySpan(logs: Log[]): Map<string, Log[]> {
  const by = new Map<string, Log[]>();
  for (const log of logs) {
    const id = log.spanId ?? "";
    const list = by.get(id);
    if (list) list.push(log);
    else by.set(id, [log]);
  }
  for (const list of by.values()) list.sort((a, b) => Number(BigInt(a.time) - BigInt(b.time)));
  return by;
}

/** ancestors gives the ids of the spans above one. */
export function ancestors(items: Item[], index: number): string[] {
  const ids: string[] = [];
  for (let at = items[index]?.span.parent ?? -1; at >= 0; at = items[at]?.span.parent ?? -1) ids.push(items[at]!.span.spanId);
  return ids;
}

/** find gives the spans that have text in their name, service, status, or an attribute; letter case is ignored. */
export function find<S extends Span>(spans: readonly S[], text: string): S[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return [];
  const has = (t: string | undefined) => t !== undefined && t.toLowerCase().includes(wanted);
  return spans.filter((span) => has(span.name) || has(span.service) || has(span.statusMessage) || has(span.spanId) ||
    (span.attributes ?? []).some((a) => has(a.key) || has(typeof a.value === "string" ? a.value : JSON.stringify(a.value))));
}

/** View is the part of the trace that the waterfall shows, in nanoseconds. */
export interface View {
  from: number;
  to: number;
}

/** barOf places a bar within a view, in percent; undefined: it is outside. */
export function barOf(v: View, start: number, end: number): { left: number; width: number } | undefined {
  const span = v.to - v.from;
  if (end < v.from || start > v.to) return undefined;
  const left = (100 * (Math.max(start, v.from) - v.from)) / span;
  const right = (100 * (Math.min(end, v.to) - v.from)) / span;
  return { left, width: Math.max(0, right - left) };
}

/** clampView keeps a view inside the trace and at least a nanosecond long. */
export function clampView(zoom: number[] | undefined, length: number): View {
  const from = Math.max(0, Math.min(zoom?.[0] ?? 0, length));
  const to = Math.max(0, Math.min(zoom?.[1] ?? length, length));
  return to - from >= 1 ? { from, to } : { from: 0, to: length };
}

/** marks gives round times within a view, for an axis. */
export function marks(v: View, most = 6): number[] {
  const raw = (v.to - v.from) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? raw;
  const out: number[] = [];
  for (let t = Math.ceil(v.from / step) * step; t <= v.to; t += step) out.push(t);
  return out;
}

/** Group sums the spans of one operation at one place of the tree. */
export interface Group {
  service: string;
  name: string;
  kind: string;
  count: number;
  errors: number;
  total: number;
  self: number;
  children: Group[];
}

/** groupsOf merges siblings that do the same, from the top of the trace down. */
export function groupsOf(items: Item[]): Group[] {
  const build = (indexes: number[]): Group[] => {
    const groups = new Map<string, { group: Group; below: number[] }>();
    for (const i of indexes) {
      const { span, children } = items[i]!;
      const key = `${span.service}\0${span.name}\0${span.kind}`;
      let entry = groups.get(key);
      if (!entry) {
        entry = { group: { service: span.service, name: span.name, kind: span.kind, count: 0, errors: 0, total: 0, self: 0, children: [] }, below: [] };
        groups.set(key, entry);
      }
      entry.group.count++;
      entry.group.errors += span.status === "error" ? 1 : 0;
      entry.group.total += span.durationNanos;
      entry.group.self += span.selfNanos;
      for (const c of children) entry.below.push(c);
    }
    // One level at a time: a trace may be 10,000 spans deep, the stack is not.
    pending.push(...[...groups.values()].filter((e) => e.below.length > 0));
    return [...groups.values()].map((e) => e.group);
  };
  const pending: { group: Group; below: number[] }[] = [];
  const tops = build(items.filter((i) => i.span.parent < 0).map((i) => i.index));
  for (let e = pending.pop(); e; e = pending.pop()) e.group.children = build(e.below);
  return tops;
}

/** Operation sums all spans of one operation of a trace. */
export interface Operation {
  service: string;
  name: string;
  count: number;
  errors: number;
  total: number;
  self: number;
  critical: number;
  longest: number;
}

/** operationsOf gives the statistics table. */
export function operationsOf(items: Item[]): Operation[] {
  const by = new Map<string, Operation>();
  for (const { span } of items) {
    const key = `${span.service}\0${span.name}`;
    const o = by.get(key) ?? { service: span.service, name: span.name, count: 0, errors: 0, total: 0, self: 0, critical: 0, longest: 0 };
    o.count++;
    o.errors += span.status === "error" ? 1 : 0;
    o.total += span.durationNanos;
    o.self += span.selfNanos;
    o.critical += span.criticalNanos;
    o.longest = Math.max(o.longest, span.durationNanos);
    by.set(key, o);
  }
  return [...by.values()];
}

/** Frame is one box of the flame graph: x and width from 0 to 1. */
export interface Frame {
  group: Group;
  depth: number;
  x: number;
  width: number;
}

/** framesOf lays out a flame graph: a frame is as wide as the self times in and below it. */
export function framesOf(groups: Group[]): Frame[] {
  const sums = new Map<Group, number>();
  const order: Group[] = [];
  const stack = [...groups];
  for (let g = stack.pop(); g; g = stack.pop()) {
    order.push(g);
    stack.push(...g.children);
  }
  for (const g of order.reverse()) sums.set(g, g.self + g.children.reduce((sum, c) => sum + (sums.get(c) ?? 0), 0));
  const all = Math.max(1, groups.reduce((sum, g) => sum + (sums.get(g) ?? 0), 0));
  const frames: Frame[] = [];
  const work = [{ groups, depth: 0, x: 0 }];
  for (let w = work.pop(); w; w = work.pop()) {
    let x = w.x;
    for (const g of [...w.groups].sort((a, b) => (sums.get(b) ?? 0) - (sums.get(a) ?? 0))) {
      const width = (sums.get(g) ?? 0) / all;
      frames.push({ group: g, depth: w.depth, x, width });
      if (g.children.length > 0) work.push({ groups: g.children, depth: w.depth + 1, x });
      x += width;
    }
  }
  return frames;
}

/** Difference is one place of two trees. */
export interface Difference {
  service: string;
  name: string;
  depth: number;
  a: Group | undefined;
  b: Group | undefined;
}

/** compare lays two trees over each other: what does the same at the same place is one line. */
export function compare(a: Group[], b: Group[]): Difference[] {
  const out: Difference[] = [];
  const key = (g: Group) => `${g.service}\0${g.name}\0${g.kind}`;
  const work: Difference[] = [];
  const push = (left: Group[], right: Group[], depth: number) => {
    const others = new Map(right.map((g) => [key(g), g]));
    const lines: Difference[] = left.map((g) => ({ service: g.service, name: g.name, depth, a: g, b: others.get(key(g)) }));
    const known = new Set(left.map(key));
    for (const g of right) if (!known.has(key(g))) lines.push({ service: g.service, name: g.name, depth, a: undefined, b: g });
    work.push(...lines.reverse());
  };
  // Two traces are about two roots, whatever these are called.
  if (a.length === 1 && b.length === 1) work.push({ service: a[0]!.service, name: a[0]!.name, depth: 0, a: a[0], b: b[0] });
  else push(a, b, 0);
  for (let line = work.pop(); line; line = work.pop()) {
    out.push(line);
    push(line.a?.children ?? [], line.b?.children ?? [], line.depth + 1);
  }
  return out;
}
