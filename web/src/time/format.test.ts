import { expect, test } from "vitest";
import { ago, between, bytes, conditionDuration, count, duration, msOf, percent, short } from "./format";

test("counts have separators", () => {
  expect([0, 7, 999, 1000, 170_123, 1_010_934, -12_345, 0.25, 1234.5678].map(count)).toEqual(["0", "7", "999", "1,000", "170,123", "1,010,934", "-12,345", "0.25", "1,234.568"]);
});

test("durations have three digits and a unit", () => {
  const f = (nanos: number, want: string) => expect(duration(nanos), String(nanos)).toBe(want);
  f(0, "0");
  f(1, "1 ns");
  f(999, "999 ns");
  f(1500, "1.5 µs");
  f(83_120_000, "83.1 ms");
  f(999_900_000, "1 s");
  f(1_840_000_000, "1.84 s");
  f(100e9, "1.67 min");
  f(7200e9, "2 h");
  f(10 * 86_400e9, "10 d");
  f(-5e6, "−5 ms");
  f(Number.NaN, "–");
});

test("durations in conditions are exact", () => {
  expect([2e9, 15e5, 1500, 7].map(conditionDuration)).toEqual(["2s", "1500us", "1500ns", "7ns"]);
});

test("numbers", () => {
  expect([0, 7, 1234, 12_345, 1_250_000, 0.00123].map(short)).toEqual(["0", "7", "1,234", "12.3k", "1.25M", "0.0012"]);
  expect([0, 0.005, 0.5, 0.9928, 0.99999, 1].map(percent)).toEqual(["0 %", "0.5 %", "50 %", "99.2 %", "99.9 %", "100 %"]);
  expect([12, 1_048_576].map(bytes)).toEqual(["12 B", "1.05 MB"]);
});

test("instants keep what numbers cannot", () => {
  expect(between("1795168800000000001", "1795168800000000004")).toBe(3);
  expect(msOf("1795168800000500000")).toBe(1795168800000.5);
  expect(ago(0, 61_000)).toBe("1.02 min ago");
});
