import { type FoundTrace, type SpanCore } from "../../api/types";
import { ago, count, duration, instant, msOf, near, plural, utc } from "../../time/format";
import { DataTable, type Column } from "../../ui/DataTable";
import { ErrorMark } from "../../ui/ErrorMark";
import { beginning } from "../../ui/LongText";
import { ServiceName } from "../../ui/ServiceName";
import { colorOf } from "../../ui/colors";
import { useNarrow } from "../../ui/useNarrow";
import { hrefOf } from "../../url/router";

/** Row is what the list shows of a trace. */
export interface Row {
  key: string;
  href: string;
  /** start and duration are those of the dot. */
  start: number;
  duration: number;
  service: string;
  name: string;
  /** below names the span that matches when it is not the root. */
  below?: { service: string; name: string; more: number };
  errors: number;
  spans?: number;
  services?: { service: string; spans: number }[];
}

export function rowOfTrace(t: FoundTrace, q: string): Row {
  const slowest = t.matchedSpans.reduce<SpanCore | undefined>((a, b) => (a && a.durationNanos >= b.durationNanos ? a : b), undefined);
  const nested = q !== "" && slowest !== undefined && slowest.parentId !== undefined;
  return {
    key: t.traceId,
    href: hrefOf(`/trace/${t.traceId}`, { q, span: nested ? slowest.spanId : undefined }),
    start: msOf(slowest?.start ?? t.start),
    duration: slowest?.durationNanos ?? t.durationNanos,
    service: t.rootService,
    name: t.rootName,
    ...(nested ? { below: { service: slowest.service, name: slowest.name, more: t.matchedCount - 1 } } : {}),
    errors: t.errorCount,
    spans: t.spanCount,
    services: t.services,
  };
}

export function rowOfSpan(s: SpanCore, q: string): Row {
  return {
    key: `${s.traceId} ${s.spanId}`,
    href: hrefOf(`/trace/${s.traceId}`, { q, span: q === "" ? undefined : s.spanId }),
    start: msOf(s.start),
    duration: s.durationNanos,
    service: s.service,
    name: s.name,
    errors: s.status === "error" ? 1 : 0,
  };
}

/** TraceList lists traces; the one that the reader is at is marked in the chart. */
export function TraceList({ rows, now, onMark }: { rows: Row[]; now: number; onMark(mark: { start: number; duration: number } | undefined): void }) {
  const narrow = useNarrow();
  const longest = Math.max(1, ...rows.map((r) => r.duration));
  return (
    <DataTable
      label="Traces"
      columns={columnsOf(longest, now)}
      rows={rows}
      rowKey={(r) => r.key}
      href={(r) => r.href}
      rowHeight={narrow ? 48 : 34}
      height="max(360px, calc(100vh - 430px))"
      onActive={(i) => onMark(rows[i])}
    />
  );
}

function columnsOf(longest: number, now: number): Column<Row>[] {
  return [
    {
      id: "duration", title: "Duration", width: "minmax(76px, 110px)", align: "right",
      cell: (r) => (
        <span className="duration-cell">
          {duration(r.duration)}
          <span className="duration-bar" style={{ width: `${(100 * r.duration) / longest}%` }} aria-hidden />
        </span>
      ),
    },
    { id: "errors", title: "", width: "16px", cell: (r) => r.errors > 0 && <ErrorMark title={plural(r.errors, "failed span")} /> },
    {
      id: "name", title: "Operation", width: "minmax(120px, 1fr)",
      cell: (r) => (
        <span className="row-name tall">
          <ServiceName name={r.service} />
          <bdi className="ellipsis row-operation" title={beginning(r.name, 300)}>{beginning(r.name, 200) || "(no name)"}</bdi>
          {r.below && (
            <span className="soft ellipsis">
              › <bdi>{beginning(r.below.name, 120)}</bdi>
              {r.below.more > 0 && ` and ${count(r.below.more)} more`}
            </span>
          )}
        </span>
      ),
    },
    {
      id: "services", title: "Services", width: "110px", wide: true,
      cell: (r) => (
        <span className="service-dots" title={r.services?.map((s) => `${beginning(s.service, 60)}: ${plural(s.spans, "span")}`).join("\n")}>
          {r.services?.slice(0, 8).map((s) => <span key={s.service} className="service-dot" style={{ background: colorOf(s.service) }} />)}
          {(r.services?.length ?? 0) > 8 && <span className="soft">+{(r.services?.length ?? 0) - 8}</span>}
        </span>
      ),
    },
    { id: "spans", title: "Spans", width: "60px", align: "right", wide: true, cell: (r) => r.spans !== undefined && count(r.spans) },
    {
      id: "start", title: "Start", width: "minmax(70px, 96px)", align: "right",
      cell: (r) => <span title={`${instant(r.start)}\n${utc(r.start)}\n${ago(r.start, now)}`}>{near(r.start, now, 0)}</span>,
    },
  ];
}
