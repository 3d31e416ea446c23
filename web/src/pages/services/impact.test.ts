import { expect, test } from "vitest";
import { type ServiceRow, type Services } from "../../api/services";
import { change, minutes, previous, rate, sorted, sparkPath, stepTimes, type Sort } from "./impact";

const row = (service: string, count: number, errors: number, totalNanos: number, p95Nanos = 0): ServiceRow => ({
  service, entry: true, count, errors, rate: count / 60, p50Nanos: 0, p95Nanos, p99Nanos: 0, totalNanos,
});

test("impact is the part of all the time spent", () => {
  const rated = rate([row("a", 10, 1, 30), row("b", 0, 0, 10)], [row("b", 5, 0, 1)]);
  expect(rated.map((r) => [r.impact, r.errorRate, r.before?.count])).toEqual([[0.75, 0.1, undefined], [0.25, 0, 5]]);
  expect(rate([row("a", 0, 0, 0)])[0]?.impact).toBe(0);
});

test("operations of the same name and another kind are others", () => {
  const get = (kind: string): ServiceRow => ({ ...row("a", 1, 0, 1), operation: "GET", kind });
  expect(rate([get("server")], [get("client")])[0]?.before).toBeUndefined();
});

test("sorting", () => {
  const rated = rate([row("b", 1, 1, 5, 7), row("a", 9, 0, 5, 9), row("c", 2, 0, 90, 1)]);
  const f = (by: Sort, reversed: boolean, want: string) => expect(sorted(rated, by, reversed).map((r) => r.row.service).join(""), by).toBe(want);
  f("impact", false, "cab");
  f("impact", true, "abc");
  f("name", false, "abc");
  f("rate", false, "acb");
  f("errors", false, "bca");
  f("p95", false, "abc");
});

test("changes", () => {
  const f = (now: number, before: number | undefined, want: string | undefined) => expect(change(now, before)?.text, `${before} to ${now}`).toBe(want);
  f(1.5, 1, "+50 %");
  f(0.5, 1, "−50 %");
  f(1.04, 1, undefined);
  f(42, 10, "×4.2");
  f(420, 10, "×42");
  f(1, 0, "new");
  f(0, 0, undefined);
  f(1, undefined, undefined);
  expect(change(0, 4)).toEqual({ text: "−100 %", up: false });
});

test("periods and steps", () => {
  expect(previous({ start: 100, end: 160 })).toEqual({ start: 40, end: 100 });
  expect([15, 31, 1440].map((m) => minutes({ start: 0, end: m * 60_000 }, 30))).toEqual(["1m", "2m", "48m"]);
});

test("a step that has not ended is left out", () => {
  const series = { count: [1, 2, 3], errors: [], rate: [], p50Nanos: [], p95Nanos: [], p99Nanos: [] };
  const answer = { seriesStart: "60000000000", stepNanos: 60e9, services: [{ ...row("a", 6, 0, 1), series }] } as unknown as Services;
  expect(stepTimes(answer, 200_000)).toEqual([60_000, 120_000]);
  expect(stepTimes(answer, 240_000)).toEqual([60_000, 120_000, 180_000]);
});

test("sparklines", () => {
  expect(sparkPath([0, 2, 1], 10, 4)).toBe("M0.0 4.0L5.0 0.0L10.0 2.0");
  expect(sparkPath([1, null, 1], 10, 4)).toBe("M0.0 0.0h.1M10.0 0.0h.1");
  expect(sparkPath([null], 10, 4)).toBe("");
});
