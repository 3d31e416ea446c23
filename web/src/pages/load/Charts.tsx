import { useMemo } from "react";
import { own } from "../../api/request";
import { type LoadHistory } from "../../api/load";
import { duration, plural, short } from "../../time/format";
import { IconDownload } from "../../ui/icons";
import { EmptyNote } from "../../ui/states";
import { errorColor, palette } from "../../ui/colors";
import { TimeChart, type Series } from "../../ui/TimeChart";
import { linesOf } from "./figures";

const colors = { requests: palette[0], p50: palette[2], p95: palette[1], p99: palette[3], users: palette[5] };

/** shortest is the least time that a chart spans: a second or two has no shape. */
const shortest = 60_000;

/** Charts draw how the load went, from its first second. */
export function Charts({ history }: { history: LoadHistory }) {
  const lines = useMemo(() => linesOf(history), [history]);
  const series = useMemo(
    () => ({
      rates: [
        { label: "requests/s", values: lines.requests, color: colors.requests },
        { label: "failures/s", values: lines.failures, color: errorColor },
      ],
      times: [
        { label: "p99", values: lines.p99, color: colors.p99 },
        { label: "p95", values: lines.p95, color: colors.p95 },
        { label: "median", values: lines.p50, color: colors.p50 },
      ],
      users: [{ label: "users", values: lines.users, color: colors.users }],
    }),
    [lines],
  );
  if (lines.times.length < 2) {
    return (
      <section className="panel">
        <EmptyNote title="Nothing to draw yet">The charts begin with the first users.</EmptyNote>
      </section>
    );
  }
  return (
    <div className="load-charts">
      <Chart title="Requests per second" times={lines.times} series={series.rates} unit={short} />
      <Chart title="Response times" times={lines.times} series={series.times} unit={duration} />
      <Chart title="Users" times={lines.times} series={series.users} unit={short} />
      <p className="soft load-note">
        Each point is about the {plural(Math.max(10, history.stepSeconds), "second")} before it.
        <a className="load-download" href={`${own}load/history.csv`} download>
          <IconDownload size={14} /> History as CSV
        </a>
      </p>
    </div>
  );
}

function Chart({ title, times, series, unit }: { title: string; times: number[]; series: Series[]; unit: (v: number) => string }) {
  const last = (s: Series) => s.values.findLast((v) => v !== null);
  const start = times[0] ?? 0;
  const window = { start, end: Math.max(start + shortest, times.at(-1) ?? 0) };
  return (
    <section className="panel">
      <div className="panel-head">
        <h2 className="panel-title">{title}</h2>
        <span className="load-legend">
          {series.map((s) => (
            <span key={s.label}>
              <i style={{ background: s.color }} />
              {s.label} <b>{last(s) === undefined ? "–" : unit(last(s) ?? 0)}</b>
            </span>
          ))}
        </span>
      </div>
      <TimeChart label={`${title}: ${series.map((s) => s.label).join(", ")}`} times={times} series={series} unit={unit} window={window} height={170} />
    </section>
  );
}
