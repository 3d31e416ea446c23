import { expect, test } from "vitest";
import { type Facets } from "../../api/types";
import { differences } from "./ranking";
import { append, bounds, boxOf, countInside, fromBinary, heat, nearest, paint, percentile, regionOf, scalesOf, ticks, timeTicks } from "./scatter";
import { labelsOf, sliceAt, solid, wayOf } from "./lines";

const window = { start: 1_000_000, end: 1_060_000 };

/** answer is what the server answers with these points, starts being in milliseconds after the window's. */
function answer(starts: number[], durations: number[], failed: number[]): ArrayBuffer {
  const start = `${window.start}000000`;
  const head = JSON.stringify({ start, stepNanos: 1000, count: starts.length, failed: failed.length, more: false, report: {} });
  const bytes = new TextEncoder().encode(head.padEnd(4 * Math.ceil(head.length / 4)));
  const out = new Uint8Array(4 + bytes.length + 8 * starts.length + 4 * failed.length);
  new DataView(out.buffer).setUint32(0, bytes.length, true);
  out.set(bytes, 4);
  new Uint32Array(out.buffer, 4 + bytes.length).set(starts.map((s) => 1000 * s));
  new Float32Array(out.buffer, 4 + bytes.length + 4 * starts.length).set(durations);
  new Uint32Array(out.buffer, 4 + bytes.length + 8 * starts.length).set(failed);
  return out.buffer;
}

const pointsOf = (...columns: Parameters<typeof answer>) => fromBinary(answer(...columns)).points;
const points = pointsOf([10_000, 20_000, 30_000], [1e6, 5e6, 2e9], [2]);

test("columns become points", () => {
  expect([...points.starts]).toEqual([1_010_000, 1_020_000, 1_030_000]);
  expect([...points.failed]).toEqual([0, 0, 1]);
});

test("scales lead there and back", () => {
  const s = scalesOf(600, 200, window, ...bounds(points.durations));
  for (const ms of [1_000_000, 1_033_333, 1_060_000]) expect(s.time(s.x(ms))).toBeCloseTo(ms, 6);
  for (const d of [1e6, 5e6, 2e9]) expect(s.duration(s.y(d)) / d).toBeCloseTo(1, 9);
  expect(s.y(0)).toBe(200);
});

test("a region holds what its box shows", () => {
  const s = scalesOf(600, 200, window, ...bounds(points.durations));
  const at = { x: s.x(1_030_000), y: s.y(2e9) };
  const region = regionOf(s, { left: at.x - 4, right: at.x + 4, top: at.y - 4, bottom: at.y + 4 });
  expect(countInside(points, region)).toBe(1);
  const box = boxOf(s, region);
  expect(Math.abs(box.left - (at.x - 4))).toBeLessThan(1);
  expect(Math.abs(box.bottom - (at.y + 4))).toBeLessThan(3);
  expect(nearest(points, s, at.x + 3, at.y, 5)).toBe(2);
  expect(nearest(points, s, at.x + 3, at.y + 30, 5)).toBe(-1);
});

test("points are painted where they are, failed ones as crosses", () => {
  const s = scalesOf(60, 20, window, 1e5, 1e10);
  const pixels = new Uint8ClampedArray(4 * 60 * 20);
  paint(pixels, 60, 20, points, s, 1, [0, 0, 255], [255, 0, 0]);
  const at = (i: number) => {
    const p = 4 * (Math.round(s.y(points.durations[i]!)) * 60 + Math.round(s.x(points.starts[i]!)));
    return [pixels[p], pixels[p + 2]];
  };
  expect(at(0)).toEqual([0, 255]);
  expect(at(2)).toEqual([255, 0]);
});

test("points on each other are stronger, and cut off at the edge", () => {
  const s = scalesOf(60, 20, window, 1e5, 1e10);
  const alone = pointsOf([10_000, 0, 70_000], [5e6, 5e6, 5e6], []);
  const twice = pointsOf([10_000, 10_000, 0], [5e6, 5e6, 5e6], [1]);
  const alphas = (p: typeof alone) => {
    const pixels = new Uint8ClampedArray(4 * 60 * 20);
    paint(pixels, 60, 20, p, s, 1, [0, 0, 255], [255, 0, 0]);
    const row = 4 * 60 * Math.round(s.y(5e6));
    return [0, 1, 5, 10, 59].map((x) => [...pixels.subarray(row + 4 * x, row + 4 * x + 4)]);
  };
  expect(alphas(alone)).toEqual([[0, 0, 255, 204], [0, 0, 255, 204], [0, 0, 0, 0], [0, 0, 255, 204], [0, 0, 0, 0]]);
  // 0.9 of the cross, and 0.8 of what it leaves of the disc.
  expect(alphas(twice)[3]).toEqual([234, 0, 21, 250]);
});

test("live points push out old ones", () => {
  const p = append(points, [{ start: 1_050_000, duration: 7, failed: true }], 1_015_000);
  expect([...p.starts]).toEqual([1_050_000, 1_020_000, 1_030_000]);
  expect([...p.failed]).toEqual([1, 0, 1]);
});

test("ticks", () => {
  expect(ticks(8e5, 2e9)).toEqual([1e6, 1e7, 1e8, 1e9]);
  expect(ticks(2e6, 9e6)).toEqual([3e6]);
  const t = timeTicks(window, 6);
  expect([t.step, t.at.length]).toEqual([10_000, 6]);
});

test("percentiles and heat", () => {
  expect(percentile(Float64Array.of(3, 1, 2, 4), 0.5)).toBe(2);
  expect(percentile(new Float64Array(), 0.5)).toBe(0);
  expect(heat(0, 9)).toBe(0);
  expect(heat(9, 9)).toBeCloseTo(1);
});

function facets(records: number, values: Record<string, Record<string, number>>): Facets {
  return {
    records,
    facets: Object.entries(values).map(([field, counts]) => ({
      field,
      records,
      distinct: Object.keys(counts).length,
      values: Object.entries(counts).map(([text, count]) => ({ text, value: text, type: "string", count })),
    })),
    report: { partial: false, rows: 0, blocks: 0, blocksSkipped: 0 },
  };
}

test("what differs is ranked by how sure it is", () => {
  const whole = facets(1000, { version: { a: 900, b: 100 }, region: { eu: 500, us: 500 }, id: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`${i}`, 20])) });
  const selection = facets(50, { version: { b: 48, a: 2 }, region: { eu: 26, us: 24 }, id: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`${i}`, 1])) });
  const found = differences(whole, selection);
  expect(found.map((d) => [d.field, d.text, d.selected])).toEqual([
    ["version", "b", 0.96],
    ["version", "a", 0.04],
  ]);
  expect(found[0]!.rest).toBeCloseTo(52 / 950);
  expect(differences(whole, whole)).toEqual([]);
});

test("percentile lines have gaps where nothing started, and names beside each other", () => {
  const s = scalesOf(400, 100, { start: 0, end: 4000 }, 1e6, 1e8);
  const slice = (i: number, count: number) => ({ start: i * 1000 - 500, end: i * 1000 + 500, p50: 1e7, p95: 1e8, p99: 1e8, count });
  const slices = [slice(0, 3), slice(1, 5), slice(2, 0), slice(3, 1)];
  expect(wayOf(slices, "p50", s)).toBe("M0.0 50.0L0.0 50.0L100.0 50.0L150.0 50.0M250.0 50.0L300.0 50.0L350.0 50.0");
  expect(wayOf([slice(1, 0)], "p50", s)).toBe("");
  const labels = labelsOf(slices, s);
  expect(labels.map((l) => [l.which, l.x])).toEqual([["p99", 354], ["p95", 354], ["p50", 354]]);
  expect(labels[1]!.y - labels[0]!.y).toBeGreaterThanOrEqual(12);
  expect(labels[2]!.y).toBe(50);
  expect(labelsOf([slice(1, 0)], s)).toEqual([]);
  expect(solid([slice(0, 80), slice(1, 90), slice(2, 0), slice(3, 5)]).map((x) => x.count)).toEqual([80, 90, 0, 0]);
  expect([sliceAt(slices, 700)?.count, sliceAt(slices, 2000), sliceAt(slices, 9000)]).toEqual([5, undefined, undefined]);
});
