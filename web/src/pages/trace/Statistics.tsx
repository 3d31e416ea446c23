import { useMemo, useState } from "react";
import { count, duration, percent } from "../../time/format";
import { DataTable, type Column } from "../../ui/DataTable";
import { ErrorMark } from "../../ui/ErrorMark";
import { beginning } from "../../ui/LongText";
import { ServiceName } from "../../ui/ServiceName";
import { useNarrow } from "../../ui/useNarrow";
import { operationsOf, type Model, type Operation } from "./model";

/** Statistics sums the spans of each operation. */
export default function Statistics({ model }: { model: Model }) {
  const narrow = useNarrow();
  const [sorted, setSorted] = useState({ id: "critical", descending: true });
  const rows = useMemo(() => {
    const sign = sorted.descending ? -1 : 1;
    return operationsOf(model.items).sort((a, b) => sign * order(sorted.id, a, b));
  }, [model, sorted]);
  return (
    <DataTable
      label="Operations"
      columns={columnsOf(model.length)}
      rows={rows}
      rowKey={(o) => `${o.service}\0${o.name}`}
      height="70vh"
      rowHeight={narrow ? 46 : 30}
      sorted={sorted}
      onSort={(id) => setSorted({ id, descending: sorted.id === id ? !sorted.descending : true })}
    />
  );
}

function order(id: string, a: Operation, b: Operation): number {
  if (id === "name") return b.name.localeCompare(a.name);
  const key = id as "count" | "total" | "self" | "critical" | "longest" | "errors";
  return a[key] - b[key];
}

function columnsOf(length: number): Column<Operation>[] {
  return [
    {
      id: "name", title: "Operation", width: "minmax(0, 2fr)", sort: true,
      cell: (o) => (
        <span className="row-name tall">
          <ServiceName name={o.service} />
          <bdi className="ellipsis" title={beginning(o.name, 300)}>{beginning(o.name, 200)}</bdi>
        </span>
      ),
    },
    { id: "count", title: "Spans", width: "52px", align: "right", sort: true, cell: (o) => count(o.count) },
    { id: "errors", title: "Failed", width: "64px", align: "right", wide: true, sort: true, cell: (o) => o.errors > 0 && <span className="inline"><ErrorMark size={12} /> {count(o.errors)}</span> },
    { id: "critical", title: "Critical path", width: "minmax(110px, 150px)", align: "right", sort: true, cell: (o) => `${duration(o.critical)} (${percent(o.critical / length)})` },
    { id: "self", title: "Itself", width: "88px", align: "right", wide: true, sort: true, cell: (o) => duration(o.self) },
    { id: "total", title: "Total", width: "88px", align: "right", wide: true, sort: true, cell: (o) => duration(o.total) },
    { id: "average", title: "Average", width: "88px", align: "right", wide: true, cell: (o) => duration(o.total / o.count) },
    { id: "longest", title: "Longest", width: "88px", align: "right", wide: true, sort: true, cell: (o) => duration(o.longest) },
  ];
}
