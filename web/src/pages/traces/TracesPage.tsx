import { useApi, ApiError } from "../../api/client";
import { type FoundTrace, type Traces } from "../../api/types";
import { ConditionInput } from "../../condition/ConditionInput";
import { count, duration, instant, msOf, near } from "../../time/format";
import { useTime } from "../../time/TimeContext";
import { DataTable, type Column } from "../../ui/DataTable";
import { ErrorMark } from "../../ui/ErrorMark";
import { ServiceName } from "../../ui/ServiceName";
import { EmptyNote, PartialNote, QueryState } from "../../ui/states";
import { text } from "../../url/codec";
import { hrefOf, useUrlState } from "../../url/router";

const fields = { q: text() };

/** TracesPage finds traces. */
export default function TracesPage() {
  const [state, set] = useUrlState(fields);
  const { api, now } = useTime();
  const traces = useApi<Traces>({ path: "traces", params: { ...api, q: state.q, limit: 100 } });
  const wrong = traces.error instanceof ApiError && traces.error.kind === "bad_query" ? traces.error.message : undefined;
  return (
    <>
      <ConditionInput kind="spans" value={state.q} onChange={(q) => set({ q })} error={wrong} />
      <section className="panel">
        <QueryState query={traces} what="The traces">
          {(data) =>
            data.traces.length === 0 ? (
              <EmptyNote title="No traces in this time">Choose a longer time range, or remove conditions.</EmptyNote>
            ) : (
              <>
                <PartialNote report={data.report} />
                <DataTable label="Traces" columns={columns(now)} rows={data.traces} rowKey={(t) => t.traceId} href={(t) => hrefOf(`/trace/${t.traceId}`)} height="70vh" />
              </>
            )
          }
        </QueryState>
      </section>
    </>
  );
}

function columns(now: number): Column<FoundTrace>[] {
  return [
    { id: "duration", title: "Duration", width: "84px", align: "right", cell: (t) => duration(t.durationNanos) },
    { id: "service", title: "Service", width: "minmax(90px, 0.5fr)", cell: (t) => <ServiceName name={t.rootService} /> },
    { id: "name", title: "Operation", width: "minmax(100px, 1fr)", cell: (t) => <bdi>{t.rootName}</bdi> },
    { id: "errors", title: "", width: "18px", cell: (t) => t.errorCount > 0 && <ErrorMark title={`${t.errorCount} failed spans`} /> },
    { id: "spans", title: "Spans", width: "60px", align: "right", wide: true, cell: (t) => count(t.spanCount) },
    { id: "start", title: "Start", width: "100px", align: "right", wide: true, cell: (t) => <span title={instant(msOf(t.start))}>{near(msOf(t.start), now)}</span> },
  ];
}
