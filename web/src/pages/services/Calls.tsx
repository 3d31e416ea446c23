import { type Call } from "../../api/services";
import { duration, percent, short } from "../../time/format";
import { DataTable, type Column } from "../../ui/DataTable";
import { ErrorMark } from "../../ui/ErrorMark";
import { ServiceName } from "../../ui/ServiceName";
import { tracesOf } from "../links";
import { nodeId, typeWord } from "./map";
import { TypeIcon } from "./TypeIcon";

/** Calls lists who called whom: what the map shows, as a table. */
export function Calls({ calls, seconds, height }: { calls: Call[]; seconds: number; height: number }) {
  return (
    <DataTable
      label="Calls"
      columns={columns(seconds)}
      rows={calls}
      rowKey={(c) => `${c.caller} > ${nodeId(c.type, c.callee)}`}
      href={(c) => tracesOf(c.caller, { failed: c.errors > 0 })}
      height={height}
    />
  );
}

function columns(seconds: number): Column<Call>[] {
  return [
    { id: "caller", title: "Caller", width: "minmax(84px, 1fr)", cell: (c) => <ServiceName name={c.caller} /> },
    {
      id: "callee", title: "Calls", width: "minmax(84px, 1fr)",
      cell: (c) => (c.type === "service" ? <ServiceName name={c.callee} /> : <TypedName call={c} />),
    },
    { id: "rate", title: "Rate", width: "64px", align: "right", cell: (c) => `${short(c.calls / seconds)}/s` },
    {
      id: "errors", title: "Errors", width: "66px", align: "right",
      cell: (c) => (
        <span className="rated" style={{ gap: 4 }}>
          {c.errors > 0 && <ErrorMark size={12} title={`${c.errors} failed`} />}
          {percent(c.calls ? c.errors / c.calls : 0)}
        </span>
      ),
    },
    { id: "p50", title: "p50", width: "72px", align: "right", wide: true, cell: (c) => duration(c.p50Nanos) },
    { id: "p95", title: "p95", width: "72px", align: "right", wide: true, cell: (c) => duration(c.p95Nanos) },
  ];
}

function TypedName({ call }: { call: Call }) {
  return (
    <span className="typed">
      <TypeIcon type={call.type} />
      <bdi className="ellipsis">{call.callee}</bdi>
      <span className="kind">{typeWord(call.type)}</span>
    </span>
  );
}
