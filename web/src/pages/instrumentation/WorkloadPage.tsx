import "./instrumentation.css";
import { type PageProps } from "..";
import { useApi } from "../../api/client";
import { type Instrumentation, type Pod, type Workload } from "../../api/instrumentation";
import { count, instant, msOf, plural } from "../../time/format";
import { DataTable, type Column } from "../../ui/DataTable";
import { beginning, LongText } from "../../ui/LongText";
import { CopyLine, EmptyNote, QueryState } from "../../ui/states";
import { useNarrow } from "../../ui/useNarrow";
import { Link } from "../../url/Link";
import { hrefOf } from "../../url/router";
import { NoOperator, Partial } from "./Notes";
import { StateMark } from "./StateMark";
import { commandOf, refOf, rowsOf, stateText, type Ref, type Row } from "./workloads";

/** WorkloadPage shows one workload: what would be decided now, its pods, and what to change. */
export default function WorkloadPage({ rest }: PageProps) {
  const ref = refOf(rest);
  const answer = useApi<Instrumentation>({ path: ref && "instrumentation", params: { ...ref }, fresh: 5000, every: 15_000, keep: false });
  if (!ref) {
    return (
      <section className="panel">
        <EmptyNote title="This address names no workload">
          <Link href={hrefOf("/instrumentation")}>To all workloads</Link>
        </EmptyNote>
      </section>
    );
  }
  return (
    <>
      <div className="injected-head">
        <Link href={hrefOf("/instrumentation")}>Instrumentation</Link>
        <h1>
          <bdi>{beginning(ref.name, 200)}</bdi>
        </h1>
        <span className="soft">
          {ref.kind} in namespace <bdi>{beginning(ref.namespace, 100)}</bdi>
        </span>
      </div>
      <QueryState query={answer} what="The workload">
        {(data) => {
          if (data.operator === undefined) return <NoOperator />;
          const found = data.workloads[0];
          return (
            <div className="stack">
              <Partial problems={data.problems} />
              {found ? <Found workload={found} /> : <Gone of={ref} />}
            </div>
          );
        }}
      </QueryState>
    </>
  );
}

function Gone({ of }: { of: Ref }) {
  return (
    <section className="panel">
      <EmptyNote title="This workload asks for nothing">
        Neither it nor its namespace has an annotation that asks, or it is gone. More is told by
        <CopyLine text={commandOf(of)} label="the command that explains it" />
      </EmptyNote>
    </section>
  );
}

function Found({ workload }: { workload: Workload }) {
  const lines = [...workload.notes, ...saidOf(workload)];
  return (
    <>
      {rowsOf([workload]).map((row) => (
        <Kind key={row.kind} row={row} />
      ))}
      <Pods workload={workload} />
      <section className="panel">
        <div className="panel-head">
          <h2 className="panel-title">More about it</h2>
        </div>
        <div className="injected-body">
          {lines.length > 0 && (
            <ul className="injected-notes">
              {lines.map((note) => (
                <li key={note}>
                  <LongText text={note} />
                </li>
              ))}
            </ul>
          )}
          <p>Its events, and where its pods send to, are told by</p>
          <CopyLine text={commandOf(workload)} label="the command that explains it" />
        </div>
      </section>
    </>
  );
}

/** saidOf is what was found out about pods, and what agents in them say. */
function saidOf(w: Workload): string[] {
  return w.pods.flatMap((p) => [...p.found, ...p.said.map((s) => `the agent in container ${s.container} says: ${s.message}`)].map((line) => `pod ${p.name}: ${line}`));
}

function Kind({ row }: { row: Row }) {
  const { decision } = row;
  const fix = row.workload.fixes.find((f) => f.kind === row.kind);
  return (
    <section className="panel" aria-label={row.kind}>
      <div className="panel-head">
        <h2 className="panel-title">{row.kind}</h2>
        <StateMark state={row.state} />
        <span className="soft">{stateText[row.state]}</span>
      </div>
      <div className="injected-body">
        <dl className="injected-facts">
          <dt>What is so</dt>
          <dd>
            <LongText text={row.message} limit={800} />
          </dd>
          <dt>Decided about a pod that starts now</dt>
          <dd>{decision ? <Decided of={decision} said={row.message} /> : "nothing: nothing asks for it any more"}</dd>
          {decision?.source && (
            <>
              <dt>Resource</dt>
              <dd>
                <bdi>{decision.source}</bdi>
              </dd>
            </>
          )}
          {decision && decision.containers.length > 0 && (
            <>
              <dt>Containers</dt>
              <dd>{decision.containers.join(", ")}</dd>
            </>
          )}
        </dl>
        {fix && (
          <>
            <h3>What to change</h3>
            <CopyLine text={fix.command} label={`the command about ${row.kind}`} />
          </>
        )}
      </div>
    </section>
  );
}

function Decided({ of, said }: { of: NonNullable<Row["decision"]>; said: string }) {
  return (
    <>
      {of.outcome} (<code>{of.reason}</code>)
      {of.message !== said && (
        <>
          : <LongText text={of.message} limit={800} />
        </>
      )}
    </>
  );
}

function Pods({ workload: w }: { workload: Workload }) {
  const narrow = useNarrow();
  return (
    <section className="panel">
      <div className="panel-head">
        <h2 className="panel-title">Pods</h2>
        <span className="soft">
          {plural(w.pods.length + w.podsLeftOut, "pod")}
          {w.podsLeftOut > 0 && `, of which ${count(w.pods.length)} are shown`}
        </span>
      </div>
      {w.pods.length === 0 ? (
        <EmptyNote title="It has no pods now">What was decided is about the pod that its template makes.</EmptyNote>
      ) : (
        <DataTable label="Pods" columns={columns(narrow)} rows={w.pods} rowKey={(p) => p.name} rowHeight={46} height={420} />
      )}
    </section>
  );
}

function columns(narrow: boolean): Column<Pod>[] {
  return [
    { id: "name", title: "Pod", width: narrow ? "minmax(0, 1.2fr)" : "minmax(140px, 1fr)", cell: (p) => <bdi title={p.name}>{beginning(p.name, 200)}</bdi> },
    {
      id: "state", title: "State", width: narrow ? "minmax(0, 1fr)" : "180px",
      cell: (p) => (
        <span className="injected-name">
          {p.standings.map((s) => (
            <span key={s.kind} className="injected-podstate">
              <span className="injected-kind">{s.kind}</span> <StateMark state={s.state} />
            </span>
          ))}
        </span>
      ),
    },
    { id: "created", title: "Created", width: "150px", wide: true, cell: (p) => instant(msOf(p.created), 0) },
    {
      id: "message", title: "What is so", width: "minmax(160px, 2fr)", wide: true,
      cell: (p) => {
        const text = p.standings.map((s) => s.message).join("; ");
        return (
          <bdi className="injected-message" title={beginning(text, 600)}>
            {beginning(text, 300)}
          </bdi>
        );
      },
    },
  ];
}
