import "uplot/dist/uPlot.min.css";
import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import { clock, instant, short } from "../time/format";
import { type Window } from "../time/range";
import { beginning } from "./LongText";
import { colorOf } from "./colors";

/** Series is one line of a TimeChart. */
export interface Series {
  label: string;
  /** values are one for each time; null is a gap. */
  values: (number | null)[];
  /** color is that of the label's hash unless given. */
  color?: string;
}

/** Dot is one event on a TimeChart, as an exemplar is. */
export interface Dot {
  time: number;
  value: number;
  label: string;
}

interface Props {
  /** label says to screen readers what the chart shows. */
  label: string;
  /** times are Unix milliseconds, ascending. */
  times: number[];
  series: Series[];
  kind?: "line" | "area" | "bars" | "stacked";
  /** unit writes a value with its unit. */
  unit?: (value: number) => string;
  height?: number;
  /** window is what the x axis spans; by default what the times do. */
  window?: Window;
  /** onZoom is told which part was dragged over. */
  onZoom?: (window: Window) => void;
  /** dots are drawn over the series; those above the axis at its end. */
  dots?: Dot[];
  /** onDot is told which dot somebody clicked, by its place in dots. */
  onDot?: (index: number) => void;
  /** onPick is told where somebody clicked. */
  onPick?: (time: number, series: number | undefined) => void;
}

/**
 * TimeChart draws values over time on a canvas. Dragging over a part calls
 * onZoom; what is under the pointer is written beside it.
 */
export function TimeChart(props: Props) {
  const host = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  latest.current = props;
  const scheme = useComputedColorScheme("light");
  const chart = useRef<uPlot>(null);
  const { times, series, kind, height = 180, window, dots } = props;
  // Other values are given to the chart that is there: what the pointer shows stays.
  const lines = series.map((s) => `${s.label} ${s.color}`).join("\n");
  useEffect(() => {
    const at = host.current;
    if (!at) return;
    const made = new uPlot(optionsOf(at, latest), dataOf(latest.current), at);
    chart.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: at.clientWidth, height }));
    observer.observe(at);
    return () => {
      observer.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [lines, kind, height, scheme, dots]);
  useEffect(() => chart.current?.setData(dataOf(latest.current)), [times, series, window?.start, window?.end]);
  return <div ref={host} role="img" aria-label={props.label} className="chart" style={{ height }} />;
}

function dataOf({ times, series, kind }: Props): uPlot.AlignedData {
  const seconds = times.map((t) => t / 1000);
  if (kind !== "stacked") return [seconds, ...series.map((s) => s.values)];
  const sums = times.map(() => 0);
  const stacked = series.map((s) => s.values.map((v, i) => (sums[i] = (sums[i] ?? 0) + (v ?? 0))));
  return [seconds, ...stacked.reverse()];
}

/** drawn are the series in the order of dataOf: stacks are drawn from the top. */
function drawn({ series, kind }: Props): Series[] {
  return kind === "stacked" ? [...series].reverse() : series;
}

function optionsOf(at: HTMLElement, latest: { current: Props }): uPlot.Options {
  const props = latest.current;
  const style = getComputedStyle(at);
  const ink = style.getPropertyValue("color");
  const grid = { stroke: resolved(at, "--line-soft"), width: 1 };
  const unit = (v: number) => (latest.current.unit ?? short)(v);
  const bars = props.kind === "bars" || props.kind === "stacked";
  const paths = bars ? uPlot.paths.bars?.({ size: [0.9, 60], align: 1 }) : undefined;
  return {
    width: at.clientWidth,
    height: props.height ?? 180,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: props.onZoom !== undefined, y: false, setScale: false }, points: { size: 6 }, y: false },
    scales: {
      x: { time: true, range: (_, low, high) => rangeOf(latest.current.window, low, high) },
      y: { range: (_, low, high) => [Math.min(0, low ?? 0), high > low || high > 0 ? high * 1.05 : 1] },
    },
    axes: [
      { stroke: ink, grid: { show: false }, ticks: grid, size: 26, font: `11px ${style.fontFamily}`, values: axisTimes },
      {
        stroke: ink, grid, ticks: { show: false }, font: `11px ${style.fontFamily}`, gap: 4,
        values: (_, marks) => marks.map(unit),
        size: (_, marks) => Math.max(36, ...(marks ?? []).map((m) => m.length * 6.6 + 10)),
      },
    ],
    series: [{}, ...drawn(props).map((s) => seriesOf(s, props.kind, paths))],
    hooks: {
      setSelect: [(u) => zoomed(u, latest)],
      ready: [(u) => clicked(u, latest)],
      draw: [(u) => drawDots(u, latest.current.dots ?? [], ink)],
    },
    plugins: [tooltip(latest, unit)],
  };
}

function rangeOf(window: Window | undefined, low: number, high: number): uPlot.Range.MinMax {
  return window ? [window.start / 1000, window.end / 1000] : [low, high];
}

function seriesOf(s: Series, kind: Props["kind"], paths: uPlot.Series.PathBuilder | undefined): uPlot.Series {
  const color = s.color ?? colorOf(s.label);
  const filled = kind === "bars" || kind === "stacked";
  return {
    label: s.label,
    stroke: color,
    width: filled ? 0 : 1.5,
    points: { show: false },
    ...(filled ? { fill: color } : kind === "area" ? { fill: `${color}28` } : {}),
    ...(paths ? { paths } : {}),
  };
}

function resolved(at: HTMLElement, name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  at.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

function axisTimes(_: uPlot, marks: number[], __: number, ___: number, step: number): string[] {
  return marks.map((m) => {
    const ms = m * 1000;
    if (step >= 86_400) return instant(ms, 0).slice(5, 10);
    return step < 60 ? clock(ms, 0) : clock(ms, 0).slice(0, 5);
  });
}

function zoomed(u: uPlot, latest: { current: Props }): void {
  const { left, width } = u.select;
  if (width > 4) {
    latest.current.onZoom?.({ start: u.posToVal(left, "x") * 1000, end: u.posToVal(left + width, "x") * 1000 });
  }
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

function clicked(u: uPlot, latest: { current: Props }): void {
  u.over.addEventListener("click", () => {
    const { onPick, onDot, dots, series, kind } = latest.current;
    const i = u.cursor.idx;
    const dot = onDot && dots ? nearestDot(u, dots) : undefined;
    if (dot !== undefined) return onDot?.(dot);
    if (!onPick || i === null || i === undefined || u.select.width > 4) return;
    const nearest = nearestSeries(u, i);
    const index = nearest === undefined ? undefined : kind === "stacked" ? series.length - 1 - nearest : nearest;
    onPick((u.data[0][i] ?? 0) * 1000, index);
  });
}

/** placeOf is where a dot is, in CSS pixels from the corner of the plot. */
function placeOf(u: uPlot, d: Dot): [x: number, y: number] {
  return [u.valToPos(d.time / 1000, "x"), Math.max(3, u.valToPos(d.value, "y"))];
}

function drawDots(u: uPlot, dots: Dot[], ink: string): void {
  const { ctx } = u;
  const ratio = uPlot.pxRatio;
  ctx.save();
  ctx.strokeStyle = ink;
  ctx.fillStyle = "#ffd166";
  ctx.lineWidth = ratio;
  for (const d of dots) {
    const [x, y] = placeOf(u, d);
    if (x < 0 || x > u.over.clientWidth) continue;
    ctx.beginPath();
    ctx.arc(u.bbox.left + x * ratio, u.bbox.top + y * ratio, 3.5 * ratio, 0, 2 * Math.PI);
    ctx.fill();
    ctx.stroke();
  }
  ctx.restore();
}

/** nearestDot is the dot under the pointer. */
function nearestDot(u: uPlot, dots: Dot[]): number | undefined {
  const { left = -1, top = -1 } = u.cursor;
  let best: number | undefined;
  let distance = 9;
  dots.forEach((d, i) => {
    const [x, y] = placeOf(u, d);
    const away = Math.hypot(x - left, y - top);
    if (away < distance) [best, distance] = [i, away];
  });
  return best;
}

function nearestSeries(u: uPlot, i: number): number | undefined {
  const y = u.cursor.top ?? 0;
  let best: number | undefined;
  let distance = Infinity;
  for (let s = 1; s < u.data.length; s++) {
    const v = u.data[s]?.[i];
    if (v === null || v === undefined) continue;
    const d = Math.abs(u.valToPos(v, "y") - y);
    if (d < distance) [best, distance] = [s - 1, d];
  }
  return best;
}

/** shownLines is how many series the tooltip names: the ones nearest to the pointer's. */
const shownLines = 12;

function tooltip(latest: { current: Props }, unit: (v: number) => string): uPlot.Plugin {
  const box = document.createElement("div");
  box.className = "chart-tip";
  box.hidden = true;
  return {
    hooks: {
      init: (u) => void u.over.append(box),
      setCursor: (u) => {
        const i = u.cursor.idx;
        const { left = -1, top = 0 } = u.cursor;
        box.hidden = i === null || i === undefined || left < 0;
        if (box.hidden) return;
        const props = latest.current;
        const rows = props.series
          .map((s) => ({ s, v: s.values[i as number] }))
          .filter((r): r is { s: Series; v: number } => r.v !== null && r.v !== undefined && !(props.kind === "stacked" && r.v === 0))
          .sort((a, b) => b.v - a.v);
        const dot = props.dots ? nearestDot(u, props.dots) : undefined;
        u.over.style.cursor = dot === undefined ? "" : "pointer";
        box.replaceChildren(line(instant((u.data[0][i as number] ?? 0) * 1000, 0), ""));
        for (const { s, v } of rows.slice(0, shownLines)) box.append(line(beginning(s.label, 80), unit(v), s.color ?? colorOf(s.label)));
        if (rows.length > shownLines) box.append(line(`and ${rows.length - shownLines} more`, ""));
        if (dot !== undefined) box.append(line(props.dots?.[dot]?.label ?? "", unit(props.dots?.[dot]?.value ?? 0), "#ffd166"));
        const flip = left > u.over.clientWidth / 2;
        box.style.left = flip ? "" : `${left + 14}px`;
        box.style.right = flip ? `${u.over.clientWidth - left + 14}px` : "";
        box.style.top = `${Math.min(top, Math.max(0, u.over.clientHeight - box.offsetHeight))}px`;
      },
    },
  };
}

function line(label: string, value: string, color?: string): HTMLElement {
  const row = document.createElement("div");
  if (color) {
    const dot = document.createElement("span");
    dot.className = "service-dot";
    dot.style.background = color;
    row.append(dot);
  }
  const name = document.createElement("bdi");
  name.textContent = label;
  const amount = document.createElement("b");
  amount.textContent = value;
  row.append(name, amount);
  return row;
}
