import { useComputedColorScheme } from "@mantine/core";
import { useResizeObserver } from "@mantine/hooks";
import { useEffect, useRef, useState } from "react";
import { clock, count, instant } from "../../time/format";
import { rgb } from "../../ui/colors";
import { type Heat } from "./matrix";

/** HeatChart shows how many values fell into which bucket over time, on a canvas. */
export function HeatChart({ heat, unit, height = 300, label }: { heat: Heat; unit: (v: number) => string; height?: number; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [host, size] = useResizeObserver();
  const scheme = useComputedColorScheme("light");
  const [tip, setTip] = useState<{ x: number; y: number; text: string[] } | undefined>(undefined);
  const width = Math.max(0, Math.floor(size.width));
  const { times, bounds, counts, max } = heat;
  useEffect(() => {
    const at = canvas.current;
    const ctx = at?.getContext("2d");
    if (!at || !ctx || width === 0) return;
    const ratio = window.devicePixelRatio;
    at.width = width * ratio;
    at.height = height * ratio;
    ctx.scale(ratio, ratio);
    ctx.clearRect(0, 0, width, height);
    const [r, g, b] = rgb(scheme === "dark" ? "#4ea1c2" : "#176c8d");
    const [w, h] = [width / Math.max(1, times.length), height / Math.max(1, bounds.length)];
    counts.forEach((column, i) =>
      column.forEach((n, k) => {
        if (n <= 0) return;
        // The root lets rare values be seen beside frequent ones.
        ctx.fillStyle = `rgba(${r}, ${g}, ${b}, ${0.08 + 0.92 * Math.sqrt(n / max)})`;
        const [left, top] = [Math.floor(i * w), Math.floor(height - (k + 1) * h)];
        ctx.fillRect(left, top, Math.floor((i + 1) * w) - left, Math.max(1, Math.floor(height - k * h) - top - 1));
      }),
    );
  }, [heat, width, height, scheme]);
  const point = (e: React.PointerEvent<HTMLCanvasElement>) => {
    const box = e.currentTarget.getBoundingClientRect();
    const [x, y] = [e.clientX - box.left, e.clientY - box.top];
    const i = Math.min(times.length - 1, Math.floor((x / box.width) * times.length));
    const k = Math.min(bounds.length - 1, Math.floor((1 - y / box.height) * bounds.length));
    const bound = bounds[k];
    if (!bound) return;
    setTip({ x, y, text: [instant(times[i] ?? 0, 0), `${edge(bound.low, unit)} to ${edge(bound.high, unit)}: ${count(Math.round(10 * (counts[i]?.[k] ?? 0)) / 10)}`] });
  };
  const every = Math.max(1, Math.ceil(bounds.length / (height / 18)));
  const marks = [0, 0.25, 0.5, 0.75].slice(0, width < 420 ? 3 : 4);
  return (
    <div className="heat" role="img" aria-label={label}>
      <div className="heat-bounds" style={{ height }} aria-hidden>
        {bounds.map((b, k) => k % every === 0 && <span key={k} style={{ bottom: `${((k + 1) / bounds.length) * 100}%` }}>{edge(b.high, unit)}</span>)}
      </div>
      <div ref={host} className="heat-plot">
        <canvas ref={canvas} style={{ width: "100%", height }} onPointerMove={point} onPointerLeave={() => setTip(undefined)} />
        {tip && (
          <div className="chart-tip" style={{ top: Math.min(tip.y, height - 50), ...(tip.x > width / 2 ? { right: width - tip.x + 12 } : { left: tip.x + 12 }) }}>
            {tip.text.map((t) => (
              <div key={t}>{t}</div>
            ))}
          </div>
        )}
        <div className="heat-times" aria-hidden>
          {marks.map((m) => (
            <span key={m} style={{ left: `${m * 100}%` }}>
              {clock(times[Math.floor(m * (times.length - 1))] ?? 0, 0)}
            </span>
          ))}
        </div>
      </div>
    </div>
  );
}

function edge(v: number, unit: (v: number) => string): string {
  return v === Infinity ? "∞" : v === -Infinity ? "−∞" : unit(v);
}
