import { CloseButton, useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { duration } from "../../time/format";
import { colorOf, errorColor } from "../../ui/colors";
import { useAfterPaint } from "../../ui/useAfterPaint";
import { useWidth } from "../../ui/useWidth";
import { type Model, type View } from "./model";

const height = 46;

/** Minimap shows the whole trace; dragging over a part of it shows that part below. */
export function Minimap({ model, view, onView }: { model: Model; view: View; onView(view: View | undefined): void }) {
  const { ref, width } = useWidth<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const [drag, setDrag] = useState<{ from: number; to: number } | undefined>();
  const painted = useAfterPaint(true); // the rows come first
  useEffect(() => {
    if (painted) draw(canvas.current, model, width);
  }, [painted, model, width, scheme]);
  const timeAt = (e: React.PointerEvent) => {
    const box = e.currentTarget.getBoundingClientRect();
    return Math.max(0, Math.min(1, (e.clientX - box.left) / box.width)) * model.length;
  };
  const zoomed = view.from > 0 || view.to < model.length;
  const shown = drag ? { from: Math.min(drag.from, drag.to), to: Math.max(drag.from, drag.to) } : view;
  const left = (100 * shown.from) / model.length;
  const right = 100 - (100 * shown.to) / model.length;
  return (
    <div className="minimap">
      <div
        ref={ref}
        className="minimap-plot"
        role="img"
        aria-label="The whole trace. Drag to show a part of it."
        style={{ height }}
        onPointerDown={(e) => {
          e.currentTarget.setPointerCapture(e.pointerId);
          const at = timeAt(e);
          setDrag({ from: at, to: at });
        }}
        onPointerMove={(e) => drag && setDrag({ ...drag, to: timeAt(e) })}
        onPointerUp={() => {
          setDrag(undefined);
          if (drag && shown.to - shown.from > model.length / 300) onView({ from: Math.round(shown.from), to: Math.round(shown.to) });
        }}
        onPointerCancel={() => setDrag(undefined)}
        onDoubleClick={() => onView(undefined)}
      >
        <canvas ref={canvas} style={{ width: "100%", height, display: "block" }} />
        {(zoomed || drag) && (
          <>
            <div className="minimap-shade" style={{ left: 0, width: `${left}%` }} />
            <div className="minimap-shade" style={{ right: 0, width: `${right}%` }} />
          </>
        )}
      </div>
      {zoomed && (
        <span className="minimap-zoom soft">
          {duration(view.from)} to {duration(view.to)}
          <CloseButton size="xs" aria-label="Show the whole trace" onClick={() => onView(undefined)} />
        </span>
      )}
    </div>
  );
}

/** draw paints every span as a line at least a pixel high; of many, those that fall together cover each other. */
function draw(at: HTMLCanvasElement | null, model: Model, width: number): void {
  const context = at?.getContext("2d");
  if (!at || !context || width === 0) return;
  const ratio = window.devicePixelRatio || 1;
  at.width = Math.round(width * ratio);
  at.height = Math.round(height * ratio);
  const rows = Math.max(8, model.items.length);
  const line = Math.max(1, Math.min(4 * ratio, at.height / rows));
  // What fails is drawn last, so that nothing covers it.
  for (const errors of [false, true]) {
    for (const item of model.items) {
      if ((item.span.status === "error") !== errors) continue;
      context.fillStyle = errors ? errorColor : colorOf(item.span.service);
      const x = (item.start / model.length) * at.width;
      const w = Math.max(ratio, ((item.end - item.start) / model.length) * at.width);
      context.fillRect(x, (item.index / rows) * at.height, w, line);
    }
  }
}
