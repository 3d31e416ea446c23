import { expect, test } from "vitest";
import { type Load, type LoadHistory, type LoadTask } from "../../api/load";
import { failureShare, linesOf, nameOf, rateText, readForm, sortTasks, stateText } from "./figures";

const task = (name: string, requests: number, p95Nanos = 0, failures = 0): LoadTask => ({
  method: "GET", name, requests, failures, requestRate: 0, failureRate: 0, meanRequestRate: 0, meanFailureRate: 0,
  p50Nanos: 0, p95Nanos, p99Nanos: 0, meanNanos: 0, minNanos: 0, maxNanos: 0,
});

test("tasks are sorted by what was chosen, the largest first", () => {
  const tasks = [task("a", 5, 1), task("b", 9, 1), task("c", 7, 3)];
  const names = (sorted: LoadTask[]) => sorted.map((t) => t.name).join("");
  expect(names(sortTasks(tasks, "task", false))).toBe("abc");
  expect(names(sortTasks(tasks, "task", true))).toBe("cba");
  expect(names(sortTasks(tasks, "requests", false))).toBe("bca");
  expect(names(sortTasks(tasks, "requests", true))).toBe("acb");
  expect(names(sortTasks(tasks, "p95", false))).toBe("cab");
  expect(names(tasks)).toBe("abc");
});

test("a name does not repeat the method", () => {
  expect(nameOf({ method: "GET", name: "GET /" })).toBe("/");
  expect(nameOf({ method: "GET", name: "search" })).toBe("search");
  expect(nameOf({ method: "", name: "all tasks" })).toBe("all tasks");
  expect(nameOf({ method: "GET", name: "GETTING" })).toBe("GETTING");
});

test("lines have a gap where the load was stopped, and where nothing was answered", () => {
  const h: LoadHistory = {
    stepSeconds: 2, timeMillis: [1000, 3000, 60_000], users: [1, 2, 3], requestRate: [0, 1, 2], failureRate: [0, 0, 1],
    p50Nanos: [0, 5, 6], p95Nanos: [0, 7, 8], p99Nanos: [0, 9, 10],
  };
  const lines = linesOf(h);
  expect(lines.times).toEqual([1000, 3000, 5000, 60_000]);
  expect(lines.users).toEqual([1, 2, null, 3]);
  expect(lines.requests).toEqual([0, 1, null, 2]);
  expect(lines.p99).toEqual([null, 9, null, 10]);
  expect(linesOf({ ...h, timeMillis: [] }).times).toEqual([]);
});

test("the form takes numbers and says what is wrong with the rest", () => {
  expect(readForm(" 20 ", "2,5")).toEqual({ users: 20, spawnRate: 2.5 });
  expect(readForm("1", ".5")).toEqual({ users: 1, spawnRate: 0.5 });
  for (const users of ["", "0", "1.5", "-1", "100001", "1e3", "many"]) expect(readForm(users, "1")).toHaveProperty("problem");
  for (const rate of ["", "0", "-1", "fast", "1e9", "NaN", "100001"]) expect(readForm("1", rate)).toHaveProperty("problem");
});

test("the state is said in words", () => {
  const load = { state: "waiting", workersExpected: 2, workers: [{ state: "ready" }, { state: "lost" }] } as Load;
  expect(stateText(load)).toBe("waiting for workers, 1 of 2 are here");
  expect(stateText({ ...load, state: "spawning" })).toBe("users are coming");
});

test("shares and rates", () => {
  expect(failureShare(task("a", 0))).toBe(0);
  expect(failureShare(task("a", 8, 0, 2))).toBe(0.25);
  expect([0, 0.01, 0.25, 33.333, 1234.5].map(rateText)).toEqual(["0", "< 0.1", "0.3", "33.3", "1235"]);
});
