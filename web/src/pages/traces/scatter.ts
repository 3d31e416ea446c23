/**
 * The geometry of the scatter and the heatmap: where a time and a duration are
 * on the canvas, which points are in a region, which pixels they colour. Pure.
 */
import { type Report } from "../../api/types";
import { type Window } from "../../time/range";

/** Points are spans by column: start in Unix milliseconds, duration in nanoseconds. */
export interface Points {
  starts: Float64Array;
  durations: Float64Array;
  failed: Uint8Array;
}

export const noPoints: Points = { starts: new Float64Array(), durations: new Float64Array(), failed: new Uint8Array() };

/** Region is a part of the chart; durations in nanoseconds. */
export interface Region {
  start: number;
  end: number;
  low: number;
  high: number;
}

/** Box is a part of the canvas in CSS pixels. */
export interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Dots are the points of an answer and what it says about itself. */
export interface Dots {
  points: Points;
  /** more: older ones were left out. */
  more: boolean;
  report: Report;
}

/** fromBinary reads an answer of traces/points as the server's OpenAPI document describes it. */
export function fromBinary(answer: ArrayBuffer): Dots {
  const length = new DataView(answer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(answer, 4, length))) as {
    start: string;
    stepNanos: number;
    count: number;
    failed: number;
    more: boolean;
    report: Report;
  };
  const columns = new Columns(answer, 4 + length);
  const base = Number(BigInt(head.start) / 1000n) / 1000;
  const step = head.stepNanos / 1e6;
  const points = { starts: new Float64Array(head.count), durations: new Float64Array(head.count), failed: new Uint8Array(head.count) };
  const offsets = columns.next(Uint32Array, head.count);
  for (let i = 0; i < offsets.length; i++) points.starts[i] = base + offsets[i]! * step;
  points.durations.set(columns.next(Float32Array, head.count));
  for (const i of columns.next(Uint32Array, head.failed)) points.failed[i] = 1;
  return { points, more: head.more, report: head.report };
}

/** Columns are arrays behind each other. Their bytes are in the order of every machine that has a browser. */
class Columns {
  constructor(
    private readonly buffer: ArrayBuffer,
    private at: number,
  ) {}

  next<A>(type: { new (buffer: ArrayBuffer, at: number, length: number): A; BYTES_PER_ELEMENT: number }, length: number): A {
    const column = new type(this.buffer, this.at, length);
    this.at += length * type.BYTES_PER_ELEMENT;
    return column;
  }
}

/** append adds newer points and forgets those before since. */
export function append(p: Points, more: { start: number; duration: number; failed: boolean }[], since: number): Points {
  const keep: number[] = [];
  for (let i = 0; i < p.starts.length; i++) if (p.starts[i]! >= since) keep.push(i);
  const n = more.length + keep.length;
  const out = { starts: new Float64Array(n), durations: new Float64Array(n), failed: new Uint8Array(n) };
  more.forEach((m, i) => {
    out.starts[i] = m.start;
    out.durations[i] = m.duration;
    out.failed[i] = m.failed ? 1 : 0;
  });
  keep.forEach((from, i) => {
    out.starts[more.length + i] = p.starts[from]!;
    out.durations[more.length + i] = p.durations[from]!;
    out.failed[more.length + i] = p.failed[from]!;
  });
  return out;
}

/** Scales say where things are. y is logarithmic: durations span many sizes. */
export interface Scales {
  width: number;
  height: number;
  window: Window;
  low: number;
  high: number;
  x(ms: number): number;
  y(nanos: number): number;
  time(x: number): number;
  duration(y: number): number;
}

/** lowest is what stands for shorter durations: a logarithm knows no zero. */
const lowest = 100;

export function scalesOf(width: number, height: number, window: Window, low: number, high: number): Scales {
  const l = Math.max(lowest, low);
  const h = Math.max(high, l * 10);
  const logLow = Math.log(l);
  const logSpan = Math.log(h) - logLow;
  const span = window.end - window.start;
  return {
    width, height, window, low: l, high: h,
    x: (ms) => ((ms - window.start) / span) * width,
    y: (nanos) => height - ((Math.log(Math.max(l, nanos)) - logLow) / logSpan) * height,
    time: (x) => window.start + (x / width) * span,
    duration: (y) => Math.exp(logLow + ((height - y) / height) * logSpan),
  };
}

/** bounds gives the range of durations with some room, so that no dot is on the edge. */
export function bounds(durations: ArrayLike<number>): [low: number, high: number] {
  let low = Infinity;
  let high = 0;
  for (let i = 0; i < durations.length; i++) {
    const d = Math.max(lowest, durations[i]!);
    if (d < low) low = d;
    if (d > high) high = d;
  }
  return high === 0 ? [1e6, 1e9] : [low / 1.4, high * 1.5];
}

/** ticks gives durations to write beside the axis: powers of ten, with 3 between when there is room. */
export function ticks(low: number, high: number, most = 6): number[] {
  const all: number[] = [];
  const few = Math.log10(high / low) > most / 2;
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++) {
    for (const m of few ? [1] : [1, 3]) {
      const v = m * 10 ** p;
      if (v >= low && v <= high) all.push(v);
    }
  }
  const every = Math.ceil(all.length / most);
  return all.filter((_, i) => i % every === 0);
}

const minute = 60_000;
const timeSteps = [10, 100, 1000, 5000, 10_000, 30_000, minute, 2 * minute, 5 * minute, 10 * minute, 30 * minute, 60 * minute, 180 * minute, 360 * minute, 720 * minute, 1440 * minute];

/** timeTicks gives instants to write below the axis. */
export function timeTicks(window: Window, most: number): { step: number; at: number[] } {
  const span = window.end - window.start;
  const step = timeSteps.find((s) => span / s <= most) ?? 7 * 1440 * minute;
  const zone = new Date(window.start).getTimezoneOffset() * minute;
  const at: number[] = [];
  for (let t = Math.ceil((window.start - zone) / step) * step + zone; t < window.end; t += step) at.push(t);
  return { step, at };
}

/** regionOf gives what a box on the canvas stands for. */
export function regionOf(s: Scales, box: Box): Region {
  return {
    start: Math.floor(s.time(box.left)),
    end: Math.ceil(s.time(box.right)),
    low: round(s.duration(box.bottom), Math.floor),
    high: round(s.duration(box.top), Math.ceil),
  };
}

/** boxOf is the opposite of regionOf, within the canvas. */
export function boxOf(s: Scales, r: Region): Box {
  const clamp = (v: number, most: number) => Math.max(0, Math.min(most, v));
  return {
    left: clamp(s.x(r.start), s.width),
    right: clamp(s.x(r.end), s.width),
    top: clamp(s.y(r.high), s.height),
    bottom: clamp(s.y(r.low), s.height),
  };
}

/** round keeps three digits: links stay short. */
function round(v: number, direction: (v: number) => number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, v))) - 2);
  return direction(v / unit) * unit;
}

export function inside(p: Points, i: number, r: Region): boolean {
  const t = p.starts[i]!;
  const d = p.durations[i]!;
  return t >= r.start && t < r.end && d >= r.low && d <= r.high;
}

/** countInside counts the points of a region. */
export function countInside(p: Points, r: Region): number {
  let n = 0;
  for (let i = 0; i < p.starts.length; i++) if (inside(p, i, r)) n++;
  return n;
}

/** failuresIn counts the points that failed. */
export function failuresIn(p: Points): number {
  let n = 0;
  for (let i = 0; i < p.failed.length; i++) n += p.failed[i]!;
  return n;
}

/** nearest finds the point next to a place, at most reach pixels away; -1: none. */
export function nearest(p: Points, s: Scales, x: number, y: number, reach: number): number {
  let best = -1;
  let least = reach * reach;
  for (let i = 0; i < p.starts.length; i++) {
    const dx = s.x(p.starts[i]!) - x;
    if (dx > reach || dx < -reach) continue;
    const dy = s.y(p.durations[i]!) - y;
    const d = dx * dx + dy * dy;
    // Of equal ones the one drawn last, which is on top.
    if (d <= least) {
      least = d;
      best = i;
    }
  }
  return best;
}

/** percentile gives the duration that a fraction of the points does not exceed. */
export function percentile(durations: Float64Array, fraction: number): number {
  if (durations.length === 0) return 0;
  const sorted = durations.slice().sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(fraction * sorted.length) - 1))]!;
}

export type Color = readonly [r: number, g: number, b: number];

/**
 * paint writes the points into pixels (RGBA, width times height): discs for those
 * that went well, crosses on top for those that failed. Calls of the canvas would
 * take ten times as long, and so would blending each point with those below it:
 * how many lie on a pixel says what it looks like.
 */
export function paint(pixels: Uint8ClampedArray, width: number, height: number, p: Points, s: Scales, ratio: number, good: Color, bad: Color): void {
  const n = p.starts.length;
  const radius = Math.max(1, Math.round((n > 20_000 ? 1 : n > 3000 ? 1.5 : 2.2) * ratio));
  const arm = radius + Math.round(ratio);
  const grid = { width, height, margin: arm, row: width + 4 * arm };
  const [wellAt, failedAt] = centersOf(grid, p, s, ratio);
  const discs = layersOf(grid, wellAt, radius, (x, y) => x * x + y * y <= radius * radius + 0.5);
  const crosses = layersOf(grid, failedAt, arm, (x, y) => Math.abs(Math.abs(x) - Math.abs(y)) < Math.max(1, ratio * 0.8));
  const discOpacity = opacities(n > 20_000 ? 0.5 : n > 3000 ? 0.65 : 0.8);
  const crossOpacity = opacities(0.9);
  for (let y = 0; y < height; y++) {
    let from = (y + 2 * arm) * grid.row + 2 * arm;
    for (let to = 4 * y * width; to < 4 * (y + 1) * width; to += 4, from++) {
      const disc = discs[from]!;
      const cross = crosses[from]!;
      if (disc === 0 && cross === 0) continue;
      const above = crossOpacity[Math.min(cross, manyLayers)]!;
      const below = discOpacity[Math.min(disc, manyLayers)]! * (1 - above);
      const sum = above + below;
      pixels[to] = (bad[0] * above + good[0] * below) / sum;
      pixels[to + 1] = (bad[1] * above + good[1] * below) / sum;
      pixels[to + 2] = (bad[2] * above + good[2] * below) / sum;
      pixels[to + 3] = 255 * sum;
    }
  }
}

/**
 * Grid is a canvas with room around it: a margin for the centers of what an edge
 * cuts off, and as much again for what they cover, so that nothing asks for edges.
 */
interface Grid {
  width: number;
  height: number;
  margin: number;
  row: number;
}

/** centersOf counts for each pixel the points that are there: those that went well, those that failed. */
function centersOf({ width, height, margin, row }: Grid, p: Points, s: Scales, ratio: number): [Uint32Array, Uint32Array] {
  const well = new Uint32Array(row * (height + 4 * margin));
  const failed = new Uint32Array(well.length);
  for (let i = 0; i < p.starts.length; i++) {
    const x = Math.round(s.x(p.starts[i]!) * ratio) + margin;
    const y = Math.round(s.y(p.durations[i]!) * ratio) + margin;
    if (x < 0 || x >= width + 2 * margin || y < 0 || y >= height + 2 * margin) continue;
    const at = (y + margin) * row + x + margin;
    if (p.failed[i]) failed[at]!++;
    else well[at]!++;
  }
  return [well, failed];
}

/** layersOf counts for each pixel the points whose shape covers it. */
function layersOf({ row }: Grid, centers: Uint32Array, reach: number, filled: (x: number, y: number) => boolean): Uint32Array {
  const shape: number[] = [];
  for (let y = -reach; y <= reach; y++) for (let x = -reach; x <= reach; x++) if (filled(x, y)) shape.push(y * row + x);
  const layers = new Uint32Array(centers.length);
  for (let at = 0; at < centers.length; at++) {
    const count = centers[at]!;
    if (count === 0) continue;
    for (let k = 0; k < shape.length; k++) layers[at + shape[k]!]! += count;
  }
  return layers;
}

/** manyLayers look the same as more of them. */
const manyLayers = 64;

/** opacities are those of 0, 1, 2 … layers on each other. */
function opacities(one: number): Float64Array {
  return Float64Array.from({ length: manyLayers + 1 }, (_, n) => 1 - (1 - one) ** n);
}

/** Cell is one field of the heatmap. */
export interface Cell {
  start: number;
  end: number;
  low: number;
  high: number;
  count: number;
  errors: number;
}

/** heat gives how strongly a cell is coloured, 0.2 to 1: by logarithm, or one busy cell would hide the rest. */
export function heat(count: number, most: number): number {
  return count === 0 ? 0 : 0.2 + (0.8 * Math.log1p(count)) / Math.log1p(Math.max(1, most));
}
