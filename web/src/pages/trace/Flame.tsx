import { Button } from "@mantine/core";
import { useMemo, useState } from "react";
import { duration, percent, plural } from "../../time/format";
import { colorOf, inkOn } from "../../ui/colors";
import { beginning } from "../../ui/LongText";
import { framesOf, groupsOf, type Frame, type Group, type Model } from "./model";

const rowHeight = 22;
/** thinnest frames are left out: they could not be seen. */
const thinnest = 0.0008;

/**
 * Flame shows where the time goes: what does the same at the same place is one
 * frame, as wide as the time spent in it and below. A click shows a frame alone.
 */
export default function Flame({ model }: { model: Model }) {
  const all = useMemo(() => groupsOf(model.items), [model]);
  const [root, setRoot] = useState<Group | undefined>();
  const frames = useMemo(() => framesOf(root ? [root] : all), [all, root]);
  const shown = frames.filter((f) => f.width > thinnest);
  const depth = shown.reduce((most, f) => Math.max(most, f.depth), 0);
  return (
    <div className="flame-view">
      <p className="soft">
        Each frame is as wide as the time spent in it and below it, waiting included. Click a frame to see it alone.
        {root && (
          <Button variant="subtle" onClick={() => setRoot(undefined)}>
            Show all
          </Button>
        )}
      </p>
      <div className="flame" style={{ height: (depth + 1) * rowHeight }}>
        {shown.map((f) => (
          <FrameBox key={`${f.depth} ${f.x} ${f.group.service} ${f.group.name}`} frame={f} onClick={() => setRoot(f.group)} />
        ))}
      </div>
    </div>
  );
}

function FrameBox({ frame: f, onClick }: { frame: Frame; onClick(): void }) {
  const g = f.group;
  const color = colorOf(g.service);
  const label = `${beginning(g.name, 200)} ${g.count > 1 ? `× ${g.count}` : ""}`;
  return (
    <button
      type="button"
      className="frame"
      data-error={g.errors > 0 || undefined}
      onClick={onClick}
      style={{ left: `${100 * f.x}%`, width: `${100 * f.width}%`, top: f.depth * rowHeight, height: rowHeight - 1, background: color, color: inkOn(color) }}
      title={`${beginning(g.service, 100)}: ${label}\n${percent(f.width)} of the time, itself ${duration(g.self)}, ${plural(g.count, "span")}${g.errors > 0 ? `, ${g.errors} failed` : ""}`}
    >
      {g.errors > 0 && "⚠ "}
      <bdi>{label}</bdi>
    </button>
  );
}
