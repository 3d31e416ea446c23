import { expect, test } from "vitest";
import { curve, place } from "./layout";

const box = (id: string) => ({ id, width: 100, height: 40 });
const line = (from: string, to: string) => ({ id: `${from}${to}`, from, to, labelWidth: 60, labelHeight: 16 });

test("edges point to the right and nothing overlaps", () => {
  const placed = place(["a", "b", "c", "d"].map(box), [line("a", "b"), line("a", "c"), line("b", "d"), line("c", "d")]);
  const x = (id: string) => placed.nodes.get(id)!.x;
  expect(x("a")).toBeLessThan(x("b"));
  expect(x("b")).toBe(x("c"));
  expect(x("b") - x("a")).toBeGreaterThanOrEqual(160);
  expect(Math.abs(placed.nodes.get("b")!.y - placed.nodes.get("c")!.y)).toBeGreaterThanOrEqual(40);
  expect(placed.edges.get("ab")!.label.x).toBeGreaterThan(x("a") + 100);
  const { points } = placed.edges.get("ab")!;
  expect([points[0]!.x, points.at(-1)!.x]).toEqual([x("a") + 100, x("b")]);
});

test("circles, self calls and edges into nothing are no obstacle", () => {
  const placed = place(["a", "b"].map(box), [line("a", "b"), line("b", "a"), line("a", "a"), line("a", "gone")]);
  expect([...placed.edges.keys()].sort()).toEqual(["aa", "ab", "ba"]);
  for (const e of placed.edges.values()) expect(Number.isFinite(e.label.x)).toBe(true);
  expect(place([], [])).toEqual({ nodes: new Map(), edges: new Map(), width: 0, height: 0 });
});

test("curves", () => {
  expect(curve([])).toBe("");
  expect(curve([{ x: 0, y: 0 }, { x: 10, y: 4 }])).toBe("M0.0 0.0C5.0 0.0 5.0 4.0 10.0 4.0");
});
