import "./instrumentation.css";
import { UnstyledButton } from "@mantine/core";
import { useId } from "react";
import { useApi } from "../../api/client";
import { type Instrumentation } from "../../api/instrumentation";
import { count, plural } from "../../time/format";
import { DataTable, type Column } from "../../ui/DataTable";
import { beginning } from "../../ui/LongText";
import { EmptyNote, QueryState } from "../../ui/states";
import { useNarrow } from "../../ui/useNarrow";
import { flag, oneOf, text } from "../../url/codec";
import { hrefOf, useUrlState } from "../../url/router";
import { NoOperator, NothingAsked, Partial } from "./Notes";
import { StateMark } from "./StateMark";
import { only, pathOf, podsText, rowsOf, sorted, sorts, stateText, states, tally, type Chosen, type Row, type Sort } from "./workloads";

const fields = { namespace: text(), state: text(), reason: text(), sort: oneOf(...sorts), reversed: flag() };

/** ask is the question about all workloads; the operator keeps its answer for some seconds. */
export const ask = { path: "instrumentation", fresh: 5000, every: 15_000 } as const;

/** InstrumentationPage lists the workloads that ask for something to be injected, and what became of it. */
export default function InstrumentationPage() {
  const answer = useApi<Instrumentation>(ask);
  return (
    <QueryState query={answer} what="The instrumentation">
      {(data) => (data.operator === undefined ? <NoOperator /> : <Workloads data={data} />)}
    </QueryState>
  );
}

function Workloads({ data }: { data: Instrumentation }) {
  const [state, set] = useUrlState(fields);
  const narrow = useNarrow();
  const all = rowsOf(data.workloads);
  const rows = sorted(only(all, state), state.sort, state.reversed);
  return (
    <section className="panel">
      <div className="panel-head">
        <h1 className="panel-title">Instrumentation</h1>
        <span className="soft">
          {plural(data.workloads.length + data.workloadsLeftOut, "workload")} of the cluster {data.workloads.length === 1 ? "asks" : "ask"} for something
          {data.workloadsLeftOut > 0 && `, of which ${count(data.workloads.length)} are shown`}
        </span>
      </div>
      <Partial problems={data.problems} />
      {all.length === 0 ? (
        <NothingAsked />
      ) : (
        <>
          <Filters rows={all} chosen={state} onChange={set} />
          {rows.length === 0 ? (
            <EmptyNote title="No workload is like that">
              <UnstyledButton className="showall" onClick={() => set({ namespace: "", state: "", reason: "" })}>
                Show all of them
              </UnstyledButton>
            </EmptyNote>
          ) : (
            <DataTable
              label="Workloads"
              columns={columns(narrow)}
              rows={rows}
              rowKey={(r) => r.key}
              href={(r) => hrefOf(`/instrumentation/${pathOf(r.workload).split("/").map(encodeURIComponent).join("/")}`)}
              rowHeight={46}
              height="70vh"
              sorted={{ id: state.sort, descending: state.reversed }}
              onSort={(id) => set({ sort: id as Sort, reversed: id === state.sort && !state.reversed }, { replace: true })}
            />
          )}
        </>
      )}
    </section>
  );
}

function Filters({ rows, chosen, onChange }: { rows: Row[]; chosen: Chosen; onChange(patch: Partial<Chosen>): void }) {
  // A count is of what the other filters leave.
  const byState = new Map(tally(only(rows, { ...chosen, state: "" }), (r) => r.state));
  return (
    <div className="injected-filters">
      <div role="group" aria-label="State" className="injected-states">
        {states
          .filter((s) => byState.has(s) || chosen.state === s)
          .map((s) => (
            <UnstyledButton
              key={s}
              className="injected-chip"
              aria-pressed={chosen.state === s}
              title={stateText[s]}
              onClick={() => onChange({ state: chosen.state === s ? "" : s })}
            >
              <StateMark state={s} /> {count(byState.get(s) ?? 0)}
            </UnstyledButton>
          ))}
      </div>
      <Choice label="Namespace" value={chosen.namespace} options={tally(only(rows, { ...chosen, namespace: "" }), (r) => r.workload.namespace)} onChange={(namespace) => onChange({ namespace })} />
      <Choice label="Reason" value={chosen.reason} options={tally(only(rows, { ...chosen, reason: "" }), (r) => r.reason)} onChange={(reason) => onChange({ reason })} />
    </div>
  );
}

function Choice({ label, value, options, onChange }: { label: string; value: string; options: [string, number][]; onChange(v: string): void }) {
  const id = useId();
  const known = options.some(([name]) => name === value);
  return (
    <span className="injected-choice">
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value} onChange={(e) => onChange(e.currentTarget.value)}>
        <option value="">all</option>
        {value !== "" && !known && <option value={value}>{beginning(value, 60)} (0)</option>}
        {options.map(([name, n]) => (
          <option key={name} value={name}>
            {beginning(name, 60)} ({count(n)})
          </option>
        ))}
      </select>
    </span>
  );
}

function columns(narrow: boolean): Column<Row>[] {
  return [
    { id: "state", title: "State", width: narrow ? "86px" : "100px", sort: true, cell: (r) => <StateMark state={r.state} /> },
    {
      id: "workload", title: "Workload", width: narrow ? "minmax(0, 1fr)" : "minmax(130px, 1.1fr)", sort: true,
      cell: (r) => (
        <span className="injected-name" title={pathOf(r.workload)}>
          <bdi className="ellipsis">{beginning(r.workload.name, 120)}</bdi>
          <bdi className="soft ellipsis">
            {beginning(r.workload.namespace, 80)} · {r.workload.kind}
          </bdi>
        </span>
      ),
    },
    { id: "kind", title: "Kind", width: narrow ? "62px" : "90px", sort: true, cell: (r) => <span className="injected-kind">{r.kind}</span> },
    { id: "pods", title: "Pods", width: narrow ? "52px" : "64px", align: "right", sort: true, cell: (r) => <span title="pods that have it">{podsText(r)}</span> },
    { id: "reason", title: "Reason", width: "minmax(100px, 0.7fr)", wide: true, sort: true, cell: (r) => r.reason },
    {
      id: "message", title: "What is so", width: "minmax(160px, 2.4fr)", wide: true,
      cell: (r) => (
        <bdi className="injected-message" title={beginning(r.message, 600)}>
          {beginning(r.message, 300)}
        </bdi>
      ),
    },
  ];
}
