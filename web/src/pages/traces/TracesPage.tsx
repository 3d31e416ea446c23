import { Button, Drawer, Group, SegmentedControl } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { memo, useEffect, useMemo, useRef, useState } from "react";
import { useApi } from "../../api/client";
import { ApiError } from "../../api/request";
import { type Facets, type Report, type Traces } from "../../api/types";
import { useKeys } from "../../app/keys";
import { ConditionInput } from "../../condition/ConditionInput";
import { and } from "../../condition/edit";
import { conditionDuration, count, duration, near, plural } from "../../time/format";
import { useTime } from "../../time/TimeContext";
import { FacetList } from "../../ui/Facets";
import { IconClose, IconFilter, IconPause, IconPlay } from "../../ui/icons";
import { EmptyNote, Loading, PartialNote, QueryState } from "../../ui/states";
import { useAfterPaint } from "../../ui/useAfterPaint";
import { flag, numbers, oneOf, text, type StateOf } from "../../url/codec";
import { useUrlState } from "../../url/router";
import { askDots, roots } from "../first";
import { Chart } from "./Chart";
import { Differences } from "./Differences";
import { useTail } from "./live";
import { solid, type Slice } from "./lines";
import { append, countInside, failuresIn, fromBinary, noPoints, percentile, type Cell, type Points, type Region } from "./scatter";
import { rowOfSpan, rowOfTrace, TraceList } from "./TraceList";
import { Welcome } from "./Welcome";

const fields = {
  q: text(),
  view: oneOf("scatter", "heatmap"),
  /** sel is start and end in Unix milliseconds, shortest and longest duration in nanoseconds. */
  sel: numbers(4),
  order: oneOf("slowest", "newest"),
  live: flag(),
  /** lines are the percentiles over the chart. */
  lines: oneOf("on", "off"),
};

interface HeatmapAnswer {
  start: string;
  stepNanos: number;
  lineStepNanos: number;
  total: number;
  lines: { p50Nanos: number; p95Nanos: number; p99Nanos: number; count: number }[];
  steps: { lowNanos: number; highNanos: number; count: number; errors: number }[][];
  report: Report;
}

/** TracesPage shows all traces of the time range, and finds those that matter. */
export default function TracesPage() {
  const [state, set] = useUrlState(fields);
  const time = useTime();
  const [mark, setMark] = useState<{ start: number; duration: number } | undefined>();
  const [facetsOpen, drawer] = useDisclosure(false);
  const drawn = useRef(false);
  drawn.current ||= facetsOpen;
  const region = regionOfState(state.sel);

  const rooted = useApi<ArrayBuffer>(askDots(time.api, state.q));
  const rootDots = useMemo(() => rooted.data && fromBinary(rooted.data), [rooted.data]);
  // Traces may have lost their roots: then every span is a dot.
  const rootless = state.q === "" && rootDots?.points.starts.length === 0 && !rooted.isPlaceholderData;
  const all = useApi<ArrayBuffer>({ path: rootless ? "traces/points" : undefined, params: { ...time.api, format: "binary" } });
  const allDots = useMemo(() => all.data && fromBinary(all.data), [all.data]);
  const query = rootless ? all : rooted;
  const base = rootless ? "" : state.q || roots;
  const answer = rootless ? allDots : rootDots;
  const live = useLive(answer?.points ?? noPoints, base, state.live && region === undefined, time.window);
  const points = live.points;

  // The dots come first: what costs as much must not slow them down.
  const ready = answer !== undefined;
  const painted = useAfterPaint(ready);
  const lined = state.lines === "on" && !state.live;
  const heat = useApi<HeatmapAnswer>({ path: state.view === "heatmap" || (lined && ready) ? "traces/heatmap" : undefined, params: { ...time.api, q: base } });
  const cells = useMemo(() => cellsOf(heat.data), [heat.data]);
  const lines = useMemo(() => linesOf(heat.data), [heat.data]);

  const select = (r: Region | undefined) => set({ sel: r && [r.start, r.end, r.low, r.high], live: false });
  useKeys({
    Escape: ["Remove the selection", () => select(undefined)],
    v: ["Scatter or heatmap", () => set({ view: state.view === "scatter" ? "heatmap" : "scatter" }, { replace: true })],
    p: ["Percentile lines", () => set({ lines: state.lines === "on" ? "off" : "on" }, { replace: true })],
    l: ["Live", () => set({ live: !state.live, sel: undefined })],
  });

  const selected = selectionOf(region, base, time.api);
  const list = useApi<Traces>({ path: state.live || !ready ? undefined : "traces", params: { ...selected, order: state.order, limit: 100, spans: 10 } });
  const whole = useApi<Facets>({ path: ready ? "facets" : undefined, params: { ...time.api, q: base, values: 50 } });
  const part = useApi<Facets>({ path: region && ready ? "facets" : undefined, params: { ...selected, values: 50 }, keep: false });

  const wrong = query.error instanceof ApiError && query.error.kind === "bad_query" ? query.error.message : undefined;
  const input = useMemo(() => <ConditionInput kind="spans" value={state.q} onChange={(q) => set({ q, sel: undefined })} error={wrong} />, [state.q, set, wrong]);
  if (wrong) return <>{input}<EmptyNote title="The condition is not complete">Correct it, or remove it.</EmptyNote></>;
  const empty = answer !== undefined && !query.isPlaceholderData && points.starts.length === 0;
  if (empty) return <>{input}<Welcome filtered={state.q !== ""} onClear={() => set({ q: "" })} /></>;

  const facets = (
    <QueryState query={region && part.data ? part : whole} what="The attributes">
      {(f) => <FacetList facets={f.facets} q={state.q} onChange={(q) => set({ q, sel: undefined })} />}
    </QueryState>
  );
  const noun = state.q || rootless ? "span" : "trace";
  return (
    <>
      {input}
      <section className="panel">
        <div className="panel-head">
          <h1 className="panel-title">
            {answer ? `${answer.more ? "The newest " : ""}${plural(points.starts.length, noun)}` : "Traces"}
          </h1>
          <span className="soft wide-only">by start and duration{state.q ? "" : ", one dot each"}</span>
          <span style={{ flex: 1 }} />
          <QuickSelect points={points} window={time.window} onSelect={select} onErrors={() => set({ q: and(state.q, "status = error"), sel: undefined })} />
          <Views view={state.view} lines={state.lines} live={state.live} set={set} />
        </div>
        {answer === undefined ? (
          <QueryState query={query} what="The traces" loading={<div style={{ height: 210 }}><Loading rows={5} /></div>}>{() => null}</QueryState>
        ) : (
          <div className="stale" data-stale={query.isPlaceholderData || undefined}>
            <Chart view={state.view} points={points} cells={cells} lines={lined ? lines : undefined} window={live.window} region={region} onSelect={select} mark={mark} />
          </div>
        )}
        <PartialNote report={answer?.report} />
      </section>
      {painted && (
        <div className="with-facets" data-selected={region !== undefined || undefined}>
          <div className="stack">
            {region && (
              <section className="panel" aria-label="Selection">
                <div className="panel-head">
                  <h2 className="panel-title">What differs</h2>
                  <span style={{ flex: 1 }} />
                  <Button variant="subtle" leftSection={<IconClose size={12} />} onClick={() => select(undefined)}>
                    Remove the selection
                  </Button>
                </div>
                <p className="soft selection-is">
                  {plural(countInside(points, region), noun)} from {duration(region.low)} to {duration(region.high)}, {near(region.start, time.now, 0)} to {near(region.end, time.now, 0)}
                </p>
                <Differences all={{ ...time.api, q: base }} selected={selected} q={state.q} onChange={(q) => set({ q, sel: undefined })} />
              </section>
            )}
            <aside className="panel wide-only facets-panel" aria-label="Attributes">
              {facets}
            </aside>
          </div>
          <section className="panel" aria-label="Traces">
            <div className="panel-head">
              <h2 className="panel-title">{state.live ? "As they arrive" : region ? "In the selection" : state.order === "slowest" ? "Slowest first" : "Newest first"}</h2>
              {state.live && <span className="soft">{live.note}</span>}
              <span style={{ flex: 1 }} />
              <Group gap="xs">
                <Button variant="default" leftSection={<IconFilter size={13} />} className="narrow-only" onClick={drawer.open}>
                  Filter
                </Button>
                {!state.live && (
                  <SegmentedControl
                    aria-label="Order"
                    value={state.order}
                    onChange={(order) => set({ order: order as "slowest" | "newest" }, { replace: true })}
                    data={[{ value: "slowest", label: "Slowest" }, { value: "newest", label: "Newest" }]}
                  />
                )}
              </Group>
            </div>
            {state.live ? (
              <TraceList rows={live.spans.map((s) => rowOfSpan(s, state.q))} now={time.now} onMark={setMark} />
            ) : (
              <QueryState query={list} what="The list">
                {(data) =>
                  data.traces.length === 0 ? (
                    <EmptyNote title="No traces in the selection">Select another part of the chart.</EmptyNote>
                  ) : (
                    <>
                      <PartialNote report={data.report} />
                      <TraceList rows={data.traces.map((t) => rowOfTrace(t, state.q))} now={time.now} onMark={setMark} />
                      {data.traces.length === 100 && <div className="soft list-end">The first {count(100)}. Select a part of the chart, or add conditions, to see others.</div>}
                    </>
                  )
                }
              </QueryState>
            )}
          </section>
        </div>
      )}
      {drawn.current && (
        <Drawer opened={facetsOpen} onClose={drawer.close} title="Filter" position="bottom" size="80%">
          {facets}
        </Drawer>
      )}
    </>
  );
}

function regionOfState(sel: number[] | undefined): Region | undefined {
  return sel && { start: sel[0]!, end: sel[1]!, low: sel[2]!, high: sel[3]! };
}

/** selectionOf gives the parameters of requests about the selection, or about everything. */
function selectionOf(region: Region | undefined, q: string, api: { start: string; end: string }) {
  if (!region) return { ...api, q };
  return {
    start: String(region.start),
    end: String(region.end),
    q: and(q, `duration >= ${conditionDuration(region.low)}`, `duration <= ${conditionDuration(region.high)}`),
  };
}

function cellsOf(answer: HeatmapAnswer | undefined): Cell[] | undefined {
  if (!answer) return undefined;
  const first = Number(BigInt(answer.start) / 1_000_000n);
  const step = answer.stepNanos / 1e6;
  return answer.steps.flatMap((column, i) =>
    column.map((c) => ({ start: first + i * step, end: first + (i + 1) * step, low: c.lowNanos, high: c.highNanos, count: c.count, errors: c.errors })),
  );
}

function linesOf(answer: HeatmapAnswer | undefined): Slice[] | undefined {
  if (!answer) return undefined;
  const first = Number(BigInt(answer.start) / 1_000_000n);
  const step = answer.lineStepNanos / 1e6;
  return solid(answer.lines.map((l, i) => ({ start: first + i * step, end: first + (i + 1) * step, p50: l.p50Nanos, p95: l.p95Nanos, p99: l.p99Nanos, count: l.count })));
}

/** LinesSample shows how the lines are dashed. */
function LinesSample() {
  return (
    <svg width="22" height="14" className="lines-sample" aria-hidden>
      {([["p99", 2.5], ["p95", 7], ["p50", 11.5]] as const).map(([p, y]) => (
        <path key={p} d={`M0 ${y}H22`} className="scatter-line" data-percentile={p} />
      ))}
    </svg>
  );
}

type Set = (patch: Partial<StateOf<typeof fields>>, options?: { replace?: boolean }) => void;

/** Views is how the chart shows what it shows. It is drawn before there are dots, and not again for them. */
const Views = memo(function Views({ view, lines, live, set }: Pick<StateOf<typeof fields>, "view" | "lines" | "live"> & { set: Set }) {
  return (
    <>
      <Button
        variant="default"
        className="lines-toggle"
        aria-pressed={lines === "on"}
        onClick={() => set({ lines: lines === "on" ? "off" : "on" }, { replace: true })}
        title="Percentiles of the durations over time (p)"
        leftSection={<LinesSample />}
      >
        p50 p95 p99
      </Button>
      <SegmentedControl
        aria-label="View"
        value={view}
        onChange={(v) => set({ view: v as "scatter" | "heatmap" }, { replace: true })}
        data={[{ value: "scatter", label: "Dots" }, { value: "heatmap", label: "Heatmap" }]}
      />
      <Button
        variant={live ? "filled" : "default"}
        leftSection={live ? <IconPause size={13} /> : <IconPlay size={13} />}
        onClick={() => set({ live: !live, sel: undefined })}
        aria-pressed={live}
        title="Show traces as they arrive (l)"
      >
        Live
      </Button>
    </>
  );
});

/** roughly is a little less or more: the durations of dots have seven digits. */
function roughly(nanos: number, sign: -1 | 1): number {
  return Math.round(nanos * (1 + sign * 1e-6));
}

/** QuickSelect has what is selected most, for the keyboard and for those who do not want to aim. */
function QuickSelect({ points, window, onSelect, onErrors }: { points: Points; window: { start: number; end: number }; onSelect(r: Region): void; onErrors(): void }) {
  const failures = useMemo(() => failuresIn(points), [points]);
  return (
    <Group gap={4} className="wide-only">
      <Button
        variant="subtle"
        onClick={() => onSelect({ start: Math.floor(window.start), end: Math.ceil(window.end), low: roughly(percentile(points.durations, 0.99), -1), high: roughly(percentile(points.durations, 1), 1) })}
      >
        Slowest 1 %
      </Button>
      {failures > 0 && (
        <Button variant="subtle" color="red" onClick={onErrors}>
          {plural(failures, "error")}
        </Button>
      )}
    </Group>
  );
}

/** useLive adds what arrives to what is stored, and moves the window along. */
function useLive(stored: Points, q: string, enabled: boolean, window: { start: number; end: number }) {
  const tail = useTail(q, enabled);
  const [now, setNow] = useState(Date.now);
  const [points, setPoints] = useState(stored);
  const length = window.end - window.start;
  const seen = useRef(tail.batch);
  useEffect(() => setPoints(stored), [stored]);
  useEffect(() => {
    if (!enabled) return;
    const timer = setInterval(() => !document.hidden && setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [enabled]);
  useEffect(() => {
    if (!enabled || seen.current === tail.batch) return;
    seen.current = tail.batch;
    const more = tail.batch.map((s) => ({ start: Number(BigInt(s.start) / 1000n) / 1000, duration: s.durationNanos, failed: s.status === "error" }));
    setPoints((p) => append(p, more, Date.now() - length));
  }, [tail.batch, enabled, length]);
  const note = {
    connecting: "connecting",
    lost: "connection lost, trying again",
    following: tail.missed > 0 ? `${count(tail.missed)} left out: they arrive too fast` : tail.spans.length === 0 ? "waiting for the next one" : "",
  }[tail.state];
  return { points: enabled ? points : stored, window: enabled ? { start: now - length, end: now } : window, spans: tail.spans, note };
}
