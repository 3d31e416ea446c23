/** What the page of a load computes: the order of tasks, lines of charts, what a form says. Pure. */
import { type Load, type LoadHistory, type LoadTask } from "../../api/load";

/** sorts are the columns that tasks can be sorted by; the first is the order of the task file. */
export const sorts = ["task", "requests", "failures", "p50", "p95", "p99", "mean", "min", "max", "rate", "failing"] as const;

export type Sort = (typeof sorts)[number];

const values: Record<Exclude<Sort, "task">, (t: LoadTask) => number> = {
  requests: (t) => t.requests,
  failures: (t) => t.failures,
  p50: (t) => t.p50Nanos,
  p95: (t) => t.p95Nanos,
  p99: (t) => t.p99Nanos,
  mean: (t) => t.meanNanos,
  min: (t) => t.minNanos,
  max: (t) => t.maxNanos,
  rate: (t) => t.requestRate,
  failing: (t) => t.failureRate,
};

/** sortTasks puts the largest first, or last when reversed; equals stay in their order. */
export function sortTasks(tasks: LoadTask[], sort: Sort, reversed: boolean): LoadTask[] {
  if (sort === "task") return reversed ? [...tasks].reverse() : tasks;
  const value = values[sort];
  const order = reversed ? 1 : -1;
  return [...tasks].sort((a, b) => order * (value(a) - value(b)));
}

/** nameOf is a task's name without its method, which stands beside it. */
export function nameOf(t: { method: string; name: string }): string {
  return t.method !== "" && t.name.startsWith(`${t.method} `) ? t.name.slice(t.method.length + 1) : t.name;
}

/** Lines are what the charts draw. */
export interface Lines {
  times: number[];
  users: (number | null)[];
  requests: (number | null)[];
  failures: (number | null)[];
  p50: (number | null)[];
  p95: (number | null)[];
  p99: (number | null)[];
}

/** linesOf gives the lines of a history, with a gap where the load was stopped. */
export function linesOf(h: LoadHistory): Lines {
  const lines: Lines = { times: [], users: [], requests: [], failures: [], p50: [], p95: [], p99: [] };
  const time = (nanos: number | undefined) => nanos || null;
  const add = (at: number, i: number | undefined) => {
    const of = (list: number[]) => (i === undefined ? null : (list[i] ?? null));
    lines.times.push(at);
    lines.users.push(of(h.users));
    lines.requests.push(of(h.requestRate));
    lines.failures.push(of(h.failureRate));
    lines.p50.push(i === undefined ? null : time(h.p50Nanos[i]));
    lines.p95.push(i === undefined ? null : time(h.p95Nanos[i]));
    lines.p99.push(i === undefined ? null : time(h.p99Nanos[i]));
  };
  h.timeMillis.forEach((at, i) => {
    const before = h.timeMillis[i - 1];
    if (before !== undefined && at - before > 2.5 * h.stepSeconds * 1000) add(before + h.stepSeconds * 1000, undefined);
    add(at, i);
  });
  return lines;
}

/** Wanted is what the form asks for, or what is wrong with it. */
export type Wanted = { users: number; spawnRate: number } | { problem: string };

/** readForm reads what somebody wrote; the server has the last word. */
export function readForm(users: string, spawnRate: string): Wanted {
  const u = users.trim();
  const r = spawnRate.trim().replace(",", ".");
  if (!/^\d{1,6}$/.test(u) || Number(u) < 1 || Number(u) > 100_000) return { problem: "Users: write a whole number from 1 to 100000." };
  if (!/^(\d+\.?\d*|\.\d+)$/.test(r) || !(Number(r) > 0) || Number(r) > 100_000) {
    return { problem: "Spawn rate: write how many users come per second, as 5 or 0.5." };
  }
  return { users: Number(u), spawnRate: Number(r) };
}

/** stateText says how it goes, in words. */
export function stateText(l: Load): string {
  switch (l.state) {
    case "waiting": {
      const here = l.workers.filter((w) => w.state === "ready").length;
      return `waiting for workers, ${here} of ${l.workersExpected} are here`;
    }
    case "spawning":
      return "users are coming";
    case "running":
      return "running";
    case "stopped":
      return "stopped";
  }
}

/** failureShare is the part of all requests that failed. */
export function failureShare(t: LoadTask): number {
  return t.requests === 0 ? 0 : t.failures / t.requests;
}

/** rateText writes a rate as tables have it, and nothing as 0. */
export function rateText(v: number): string {
  return v === 0 ? "0" : v < 0.05 ? "< 0.1" : v < 100 ? v.toFixed(1) : v.toFixed(0);
}
