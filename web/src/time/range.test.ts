import { expect, test } from "vitest";
import { absolute, checkRange, parseInstant, parseLength, resolve, widen } from "./range";

const now = Date.parse("2026-11-20T12:00:00Z");

test("lengths", () => {
  expect(parseLength("90s")).toBe(90_000);
  expect(parseLength("1h30m")).toBe(5_400_000);
  expect(parseLength("1.5d")).toBe(129_600_000);
  for (const wrong of ["", "5", "m", "5 m", "5y", "-5m"]) expect(parseLength(wrong), wrong).toBeUndefined();
});

test("instants", () => {
  expect(parseInstant("now", now)).toBe(now);
  expect(parseInstant("now-15m", now)).toBe(now - 900_000);
  expect(parseInstant("-1h", now)).toBe(now - 3_600_000);
  expect(parseInstant("2026-11-20T10:00:00Z", now)).toBe(now - 7_200_000);
  expect(parseInstant(String(now), now)).toBe(now);
  expect(parseInstant("2026-11-20 10:00", now)).toBe(new Date(2026, 10, 20, 10).getTime());
  expect(parseInstant("2026-11-20", now)).toBe(new Date(2026, 10, 20).getTime());
  for (const wrong of ["", "yesterday", "now-", "now+5m", "2026-13-40", "12"]) expect(parseInstant(wrong, now), wrong).toBeUndefined();
});

test("a range that makes no sense is the last 15 minutes", () => {
  const last = { start: now - 900_000, end: now };
  expect(resolve({ from: "now", to: "now-1h" }, now)).toEqual(last);
  expect(resolve({ from: "x", to: "now" }, now)).toEqual(last);
  expect(checkRange({ from: "now", to: "now-1h" }, now)).toMatch(/before/);
  expect(checkRange({ from: "x", to: "now" }, now)).toMatch(/From/);
  expect(checkRange({ from: "now-1h", to: "now" }, now)).toBeUndefined();
});

test("windows", () => {
  const w = { start: now - 1000, end: now };
  expect(resolve(absolute(w), 0)).toEqual(w);
  expect(widen(w, 2)).toEqual({ start: now - 1500, end: now + 500 });
  expect(widen(w, 1, -1)).toEqual({ start: now - 2000, end: now - 1000 });
});
