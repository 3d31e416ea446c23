import { type PageProps } from "..";
import { useApi } from "../../api/client";
import { type Node, type Trace } from "../../api/types";
import { count, duration } from "../../time/format";
import { DataTable, type Column } from "../../ui/DataTable";
import { ErrorMark } from "../../ui/ErrorMark";
import { ServiceName } from "../../ui/ServiceName";
import { PartialNote, QueryState } from "../../ui/states";

/** TracePage shows one trace. */
export default function TracePage({ rest: id }: PageProps) {
  const trace = useApi<Trace>({ path: `traces/${encodeURIComponent(id)}`, fresh: 60_000 });
  return (
    <section className="panel">
      <QueryState query={trace} what="The trace">
        {(t) => (
          <>
            <div className="panel-head">
              <ServiceName name={t.rootService} strong />
              <h1 className="panel-title">
                <bdi>{t.rootName}</bdi>
              </h1>
              <span className="soft">
                {duration(t.durationNanos)}, {count(t.spanCount)} spans
              </span>
            </div>
            <PartialNote report={t.report} />
            <DataTable label="Spans" columns={columns} rows={t.spans} rowKey={(s) => s.spanId} height="75vh" rowHeight={26} />
          </>
        )}
      </QueryState>
    </section>
  );
}

const columns: Column<Node>[] = [
  {
    id: "name",
    title: "Span",
    width: "minmax(140px, 2fr)",
    cell: (s) => (
      <span style={{ paddingLeft: 14 * Math.min(s.depth, 20) }}>
        <ServiceName name={s.service} /> <bdi>{s.name}</bdi>
      </span>
    ),
  },
  { id: "error", title: "", width: "18px", cell: (s) => s.status === "error" && <ErrorMark /> },
  { id: "self", title: "Self time", width: "84px", align: "right", wide: true, cell: (s) => duration(s.selfNanos) },
  { id: "duration", title: "Duration", width: "84px", align: "right", cell: (s) => duration(s.durationNanos) },
];
