import { plural, short } from "../../time/format";
import { DataTable, type Column } from "../../ui/DataTable";
import { ErrorMark } from "../../ui/ErrorMark";
import { IconError } from "../../ui/icons";
import { beginning } from "../../ui/LongText";
import { unitWord } from "./flow";
import { type Row } from "./graph";

/** Components lists the components by kind: what the graph shows, as a table. */
export function Components({ rows }: { rows: Row[] }) {
  return <DataTable label="Components" columns={columns} rows={rows} rowKey={(r) => r.key} height={560} rowHeight={40} />;
}

const columns: Column<Row>[] = [
  {
    id: "name", title: "Component", width: "minmax(130px, 1fr)",
    cell: (r) => (
      <span style={{ lineHeight: 1.25, display: "block" }} title={`in ${plural(r.pipelines.length, "pipeline")}: ${r.pipelines.join(", ")}`}>
        <bdi className="ellipsis" style={{ display: "block" }}>{r.name}</bdi>
        <span className="part-kind">{`${r.kind}, ${r.signal}`}</span>
      </span>
    ),
  },
  {
    id: "rate", title: "Rate", width: "96px", align: "right",
    cell: (r) => (r.rate === undefined ? <span className="soft" title="it counts nothing, or nothing yet">–</span> : `${short(r.rate)} ${unitShort(r.signal)}/s`),
  },
  {
    id: "lost", title: "Lost", width: "minmax(74px, 0.8fr)",
    cell: (r) =>
      r.lost.length === 0 ? (
        <span className="soft">none</span>
      ) : (
        <span className="bad" title={r.lost.map((l) => `${l.count} ${unitWord(r.signal)} ${l.word}`).join(", ")}>
          <ErrorMark size={12} title="lost" />
          <span className="ellipsis">{r.lost.map((l) => `${short(l.count)} ${l.word}`).join(", ")}</span>
        </span>
      ),
  },
  {
    id: "queue", title: "Queue", width: "110px", wide: true,
    cell: (r) => (r.queue ? <span className={r.queue.full ? "bad" : undefined}>{r.queue.full && <ErrorMark size={12} title="nearly full" />}{r.queue.text}</span> : <span className="soft">none</span>),
  },
  {
    id: "problem", title: "Last warning or error", width: "minmax(120px, 1.6fr)", wide: true,
    cell: (r) =>
      r.problem ? (
        <a className="fact" data-warn href="#problems" title={beginning(`${r.problem.message} ${r.problem.detail ?? ""}`, 400)}>
          <IconError size={12} title={r.problem.level} />
          <span className="ellipsis">{beginning(r.problem.detail || r.problem.message, 200)}</span>
        </a>
      ) : (
        <span className="soft">none</span>
      ),
  },
];

function unitShort(signal: string): string {
  return { spans: "spans", points: "pts", records: "recs" }[unitWord(signal)] ?? "";
}
