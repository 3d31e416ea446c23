import { useComputedColorScheme } from "@mantine/core";
import { useLayoutEffect, useMemo, useRef, useState, type PointerEvent } from "react";
import { clock, count, day, duration, near } from "../../time/format";
import { type Window } from "../../time/range";
import { rgb } from "../../ui/colors";
import { useWidth } from "../../ui/useWidth";
import { labelsOf, percentiles, sliceAt, wayOf, type Slice } from "./lines";
import {
  bounds, boxOf, heat, nearest, paint, regionOf, scalesOf, ticks, timeTicks,
  type Box, type Cell, type Points, type Region, type Scales,
} from "./scatter";

interface Props {
  view: "scatter" | "heatmap";
  points: Points;
  /** cells are what the heatmap shows; undefined while they are on their way. */
  cells: Cell[] | undefined;
  /** lines are the percentiles over time; undefined when they are not wanted, or on their way. */
  lines: Slice[] | undefined;
  window: Window;
  region: Region | undefined;
  onSelect(region: Region | undefined): void;
  /** mark is a span to point at, because the list does. */
  mark: { start: number; duration: number } | undefined;
}

const gutter = 54;
const below = 20;
const height = 210;
/** reach is how far from a dot a click still means it, in pixels. */
const reach = 9;

/**
 * Chart shows every span by start and duration, as dots or as a heatmap. A click
 * on a dot selects it and those beside it, dragging selects what is inside.
 */
export function Chart(props: Props) {
  const { view, points, lines, window, region, mark } = props;
  const cells = view === "heatmap" ? props.cells : undefined; // when they arrive, dots stay as they are
  const { ref, width: outer } = useWidth<HTMLDivElement>();
  const width = Math.max(50, outer - gutter - 10);
  const inner = height - below - 8;
  const scales = useMemo(() => {
    const heights = cells ? cells.flatMap((c) => [c.low, c.high]) : points.durations;
    return scalesOf(width, inner, window, ...bounds(heights));
  }, [width, inner, window, points, cells]);
  const [hover, setHover] = useState<{ x: number; y: number } | undefined>();
  const [drag, setDrag] = useState<Box | undefined>();
  const from = useRef<{ x: number; y: number } | undefined>(undefined);

  const place = (e: PointerEvent) => {
    const box = e.currentTarget.getBoundingClientRect();
    return { x: Math.max(0, Math.min(width, e.clientX - box.left)), y: Math.max(0, Math.min(inner, e.clientY - box.top)) };
  };
  const done = (at: { x: number; y: number }) => {
    const begun = from.current;
    from.current = undefined;
    setDrag(undefined);
    if (!begun) return;
    const box = boxBetween(begun, at);
    if (box.right - box.left > 4 || box.bottom - box.top > 4) {
      props.onSelect(regionOf(scales, box));
      return;
    }
    props.onSelect(view === "heatmap" ? cellRegion(cells ?? [], scales, at) : dotRegion(points, scales, at));
  };
  const shown = drag ?? (region ? boxOf(scales, region) : undefined);
  if (outer === 0) return <div ref={ref} className="scatter" style={{ height }} />;
  return (
    <div ref={ref} className="scatter" style={{ height }}>
      <Axes scales={scales} />
      <div
        className="scatter-plot"
        style={{ left: gutter, top: 8, width, height: inner }}
        role="img"
        aria-label={`${count(points.starts.length)} spans by start and duration. Use the buttons above to select by keyboard.`}
        onPointerDown={(e) => {
          if (e.button !== 0) return;
          from.current = place(e);
          e.currentTarget.setPointerCapture(e.pointerId);
        }}
        onPointerMove={(e) => {
          const at = place(e);
          if (from.current) setDrag(boxBetween(from.current, at));
          else setHover(at);
        }}
        onPointerUp={(e) => done(place(e))}
        onPointerCancel={() => {
          from.current = undefined;
          setDrag(undefined);
        }}
        onPointerLeave={() => setHover(undefined)}
      >
        <Canvas view={view} points={points} cells={cells} scales={scales} />
        {lines && <Lines lines={lines} scales={scales} />}
        {shown && (
          <div className="scatter-region" style={{ left: shown.left, top: shown.top, width: Math.max(2, shown.right - shown.left), height: Math.max(2, shown.bottom - shown.top) }} />
        )}
        {mark && <div className="scatter-mark" style={{ left: scales.x(mark.start), top: scales.y(mark.duration) }} />}
        {hover && !drag && <Hover {...props} scales={scales} at={hover} />}
      </div>
    </div>
  );
}

function boxBetween(a: { x: number; y: number }, b: { x: number; y: number }): Box {
  return { left: Math.min(a.x, b.x), right: Math.max(a.x, b.x), top: Math.min(a.y, b.y), bottom: Math.max(a.y, b.y) };
}

function dotRegion(points: Points, s: Scales, at: { x: number; y: number }): Region | undefined {
  const i = nearest(points, s, at.x, at.y, reach);
  if (i < 0) return undefined;
  const x = s.x(points.starts[i]!);
  const y = s.y(points.durations[i]!);
  return regionOf(s, { left: x - 5, right: x + 5, top: y - 5, bottom: y + 5 });
}

function cellAt(cells: Cell[], s: Scales, at: { x: number; y: number }): Cell | undefined {
  const t = s.time(at.x);
  const d = s.duration(at.y);
  return cells.find((c) => t >= c.start && t < c.end && d >= c.low && d < c.high + 1);
}

function cellRegion(cells: Cell[], s: Scales, at: { x: number; y: number }): Region | undefined {
  const c = cellAt(cells, s, at);
  return c && { start: Math.floor(c.start), end: Math.ceil(c.end), low: c.low, high: c.high };
}

/** Hover says what is under the pointer. */
function Hover({ view, points, cells, lines: slices, scales, at, window }: Props & { scales: Scales; at: { x: number; y: number } }) {
  let lines: string[] = [];
  let place = at;
  if (view === "heatmap") {
    const c = cellAt(cells ?? [], scales, at);
    if (!c) return null;
    lines = [`${count(c.count)} between ${duration(c.low)} and ${duration(c.high)}`, `${clock(c.start, 0)} to ${clock(c.end, 0)}`];
    if (c.errors > 0) lines.push(`${count(c.errors)} failed`);
    const slice = sliceAt(slices ?? [], scales.time(at.x));
    if (slice) lines.push(`at that time ${[...percentiles].reverse().map((p) => `${p} ${duration(slice[p])}`).join(", ")}`);
  } else {
    const i = nearest(points, scales, at.x, at.y, reach);
    if (i < 0) return null;
    const start = points.starts[i]!;
    place = { x: scales.x(start), y: scales.y(points.durations[i]!) };
    lines = [duration(points.durations[i]!) + (points.failed[i] ? ", failed" : ""), near(start, window.end)];
  }
  const flip = place.x > scales.width / 2;
  return (
    <>
      {view === "scatter" && <div className="scatter-mark" style={{ left: place.x, top: place.y }} />}
      <div className="chart-tip" style={{ top: Math.max(0, Math.min(place.y - 20, scales.height - 52)), ...(flip ? { right: scales.width - place.x + 12 } : { left: place.x + 12 }) }}>
        {lines.map((l) => (
          <div key={l}>{l}</div>
        ))}
      </div>
    </>
  );
}

/** Lines are the percentiles over time, each with its own dashes and its name at the end. */
function Lines({ lines, scales }: { lines: Slice[]; scales: Scales }) {
  return (
    <svg className="scatter-lines" width={scales.width} height={scales.height} aria-hidden>
      {percentiles.map((p) => (
        <path key={p} d={wayOf(lines, p, scales)} className="scatter-line-ground" />
      ))}
      {percentiles.map((p) => (
        <path key={p} d={wayOf(lines, p, scales)} className="scatter-line" data-percentile={p} />
      ))}
      {labelsOf(lines, scales).map((l) => (
        <text key={l.which} x={l.x} y={l.y} dy="0.35em">
          {l.which}
        </text>
      ))}
    </svg>
  );
}

function Axes({ scales }: { scales: Scales }) {
  const { step, at } = timeTicks(scales.window, Math.max(2, Math.floor(scales.width / 90)));
  return (
    <div aria-hidden>
      {ticks(scales.low, scales.high).map((d) => (
        <div key={d} className="scatter-y" style={{ top: 8 + scales.y(d) }}>
          <span style={{ width: gutter - 8 }}>{duration(d)}</span>
          <i style={{ left: gutter, width: scales.width }} />
        </div>
      ))}
      {at.map((t) => (
        <div key={t} className="scatter-x" style={{ left: gutter + scales.x(t), height: height - below }}>
          <span>{step >= 86_400_000 ? day(t).slice(5) : step >= 60_000 ? clock(t, 0).slice(0, 5) : clock(t, step < 1000 ? 3 : 0)}</span>
        </div>
      ))}
    </div>
  );
}

function Canvas({ view, points, cells, scales }: { view: Props["view"]; points: Points; cells: Cell[] | undefined; scales: Scales }) {
  const ref = useRef<HTMLCanvasElement>(null);
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const { width, height } = scales;
  // Before the frame is painted, or it would have an empty canvas.
  useLayoutEffect(() => {
    const canvas = ref.current;
    const context = canvas?.getContext("2d");
    if (!canvas || !context) return;
    const ratio = globalThis.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const dark = scheme === "dark";
    const good = rgb(dark ? "#5fb0d3" : "#1f7ea3");
    const bad = rgb(dark ? "#ff7070" : "#d12f2f");
    if (view === "scatter") {
      const image = context.createImageData(canvas.width, canvas.height);
      paint(image.data, canvas.width, canvas.height, points, scales, ratio, good, bad);
      context.putImageData(image, 0, 0);
      return;
    }
    context.scale(ratio, ratio);
    const most = Math.max(1, ...(cells ?? []).map((c) => c.count));
    for (const c of cells ?? []) {
      const box = boxOf(scales, { start: c.start, end: c.end, low: c.low, high: c.high });
      const w = Math.max(1, box.right - box.left - (box.right - box.left > 4 ? 1 : 0));
      const h = Math.max(1, box.bottom - box.top - (box.bottom - box.top > 3 ? 1 : 0));
      context.fillStyle = `rgb(${good.join(" ")} / ${heat(c.count, most)})`;
      context.fillRect(box.left, box.top, w, h);
      if (c.errors > 0) {
        // The share of failures fills the cell from the left.
        context.fillStyle = `rgb(${bad.join(" ")} / ${Math.max(0.5, heat(c.errors, most))})`;
        context.fillRect(box.left, box.top, Math.max(1.5, (w * c.errors) / c.count), h);
      }
    }
  }, [view, points, cells, scales, scheme, width, height]);
  return <canvas ref={ref} style={{ width, height, display: "block" }} />;
}
