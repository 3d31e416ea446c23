import { Alert, SegmentedControl, Switch, Text } from "@mantine/core";
import { useMemo } from "react";
import { usePrometheus } from "../../api/client";
import { clock, count, plural } from "../../time/format";
import { useTime } from "../../time/TimeContext";
import { DataTable, type Column } from "../../ui/DataTable";
import { beginning } from "../../ui/LongText";
import { EmptyNote, ErrorNote, Loading, QueryState } from "../../ui/states";
import { TimeChart, type Dot } from "../../ui/TimeChart";
import { Link } from "../../url/Link";
import { hrefOf, navigate } from "../../url/router";
import { HeatChart } from "./HeatChart";
import { heatOf, type Line, type Matrix } from "./matrix";
import { heatmapOf, type Built, type Group } from "./promql";
import { unitOf, writerOf } from "./units";
import { letterOf, useAnswers, useExemplars, type Answers, type Exemplar } from "./useAnswers";

/** views are how the answers can be drawn, as the URL has them. */
export const views = ["line", "area", "bars", "heatmap"] as const;
export type View = (typeof views)[number];

interface Props {
  expressions: string[];
  groups: Group[];
  view: View;
  onView(view: View): void;
  exemplars: boolean;
  onExemplars(on: boolean): void;
  /** unitOfMetric gives the unit of a metric of the catalog. */
  unitOfMetric(name: string): string;
}

/** mostLines is how many series a chart shows: the largest ones. */
const mostLines = 60;

/** ChartPanel draws the answers of all queries, their exemplars and a table. */
export function ChartPanel({ expressions, groups, view, onView, exemplars, onExemplars, unitOfMetric }: Props) {
  const { window, zoom } = useTime();
  const answers = useAnswers(expressions, groups);
  const found = useExemplars(groups, exemplars);
  const histogram = groups.find((g) => g.built?.quantile !== undefined)?.built;
  const units = useMemo(() => groups.flatMap((g) => g.expressions.map(() => unitOf(g.built, unitOfMetric))), [groups, unitOfMetric]);
  const same = units.every((u) => u === units[0]);
  const unit = useMemo(() => writerOf(same ? (units[0] ?? "") : ""), [units, same]);
  const lines = useMemo(() => shownOf(answers.lines), [answers.lines]);
  const onAxis = useMemo(() => found.filter((e) => e.onAxis), [found]);
  const dots = useMemo<Dot[]>(() => onAxis.map((e) => ({ time: e.time, value: e.value, label: `trace ${e.traceId.slice(0, 8)}…` })), [onAxis]);
  const times = useMemo(() => timesOf(answers), [answers.grid, answers.step]);
  const heat = view === "heatmap" && histogram;
  return (
    <section className="panel" aria-label="Chart">
      <div className="panel-head">
        <SegmentedControl aria-label="Kind of chart" value={heat ? view : view === "heatmap" ? "line" : view} onChange={(v) => onView(v as View)} data={views.filter((v) => v !== "heatmap" || histogram).map((v) => ({ value: v, label: v }))} />
        <Switch size="sm" label="Exemplars" checked={exemplars} onChange={(e) => onExemplars(e.currentTarget.checked)} />
        <span className="soft chart-step">a point every {answers.step * (heat ? heatColumns : 1)} s{same ? "" : "; different units share the axis"}</span>
      </div>
      {answers.problems.map(({ index, error }) => (
        <ErrorNote key={index} error={error} what={`Query ${letterOf(groups.findIndex((g) => index >= g.at && index < g.at + g.expressions.length))}`} onRetry={answers.retry} />
      ))}
      {answers.remarks.map((r) => (
        <Alert key={r} color="yellow" variant="light" py={6} px="sm" role="status">
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            {beginning(r, 500)}
          </Text>
        </Alert>
      ))}
      {heat ? (
        <Heatmap built={heat} answers={answers} unit={unit} />
      ) : answers.lines.length > 0 ? (
        <div className="stale chart-pad" data-stale={answers.stale || undefined}>
          <TimeChart
            label="Values over time" times={times} series={lines} kind={view === "bars" ? "stacked" : view === "area" ? "area" : "line"} unit={unit} height={300} window={window} onZoom={zoom}
            dots={dots} onDot={(i) => onAxis[i] && navigate(traceOf(onAxis[i]))}
          />
          {answers.lines.length > lines.length && <p className="soft chart-note">The {lines.length} largest of {count(answers.lines.length)} series. Group or filter to see the others.</p>}
        </div>
      ) : answers.waiting ? (
        <Loading rows={6} height={36} />
      ) : (
        answers.problems.length === 0 && <EmptyNote title="No data for this in this time">Choose a longer time range, remove filters, or look whether the metric still arrives.</EmptyNote>
      )}
      <Exemplars found={found} unit={unit} />
      {!heat && answers.lines.length > 0 && <Values lines={answers.lines} units={units} />}
    </section>
  );
}

function shownOf(lines: Line[]): Line[] {
  if (lines.length <= mostLines) return lines;
  const size = (l: Line) => (Number.isNaN(l.mean) ? -1 : Math.abs(l.mean));
  return [...lines].sort((a, b) => size(b) - size(a)).slice(0, mostLines);
}

function timesOf({ grid, step }: Answers): number[] {
  return Array.from({ length: Math.max(0, Math.round((grid.end - grid.start) / step) + 1) }, (_, i) => (grid.start + i * step) * 1000);
}

function traceOf(e: Exemplar): string {
  return hrefOf(`/trace/${e.traceId}`, { span: e.spanId });
}

/** heatColumns is how many points of a line are one column of a heatmap: a cell must be seen. */
const heatColumns = 4;

function Heatmap({ built, answers: { grid, step }, unit }: { built: Built; answers: Answers; unit: (v: number) => string }) {
  const wide = step * heatColumns;
  const from = Math.ceil(grid.start / wide) * wide;
  const columns = useMemo(() => ({ start: from, end: Math.max(from, Math.floor(grid.end / wide) * wide) }), [from, grid.end, wide]);
  const answer = usePrometheus<Matrix>({ path: "query_range", params: { query: heatmapOf(built, wide), ...columns, step: wide } });
  const heat = useMemo(() => answer.data && heatOf(answer.data, columns, wide), [answer.data, columns, wide]);
  return (
    <QueryState query={answer} what="The heatmap" loading={<Loading rows={6} height={36} />}>
      {() => (heat && heat.bounds.length > 0 ? <HeatChart heat={heat} unit={unit} label={`Values of ${built.metric} by bucket over time`} /> : <EmptyNote title="No values in this time">Choose a longer time range.</EmptyNote>)}
    </QueryState>
  );
}

const fewExemplars = 8;

function Exemplars({ found, unit }: { found: Exemplar[]; unit: (v: number) => string }) {
  if (found.length === 0) return null;
  return (
    <div className="exemplars" role="group" aria-label="Exemplars">
      <span className="soft">{plural(found.length, "exemplar")}, the largest:</span>
      {found.slice(0, fewExemplars).map((e, i) => (
        <Link key={i} href={traceOf(e)} title={`Trace ${e.traceId}`}>
          <span className="exemplar-dot" aria-hidden />
          {e.onAxis ? unit(e.value) : clock(e.time, 0)}
        </Link>
      ))}
    </div>
  );
}

function Values({ lines, units }: { lines: Line[]; units: string[] }) {
  const columns = useMemo(() => columnsOf(units), [units]);
  return <DataTable label="Series" columns={columns} rows={lines} rowKey={(l) => `${l.query} ${l.label}`} height={280} rowHeight={28} />;
}

function columnsOf(units: string[]): Column<Line>[] {
  const write = units.map(writerOf);
  const cell = (of: (l: Line) => number) => (l: Line) => write[l.query]?.(of(l)) ?? "";
  const number = (id: string, title: string, of: (l: Line) => number, wide = false): Column<Line> => ({ id, title, width: "92px", align: "right", wide, cell: cell(of) });
  return [
    {
      id: "label",
      title: "Series",
      width: "minmax(120px, 1fr)",
      cell: (l) => (
        <span className="service" title={beginning(l.label, 800)}>
          <span className="service-dot" style={{ background: l.color }} aria-hidden />
          <bdi className="ellipsis">{beginning(l.label, 300)}</bdi>
        </span>
      ),
    },
    number("last", "Last", (l) => l.last),
    number("mean", "Mean", (l) => l.mean, true),
    number("min", "Least", (l) => l.min, true),
    number("max", "Most", (l) => l.max),
  ];
}
