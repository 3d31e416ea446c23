import { own } from "../../api/request";
import { type Load, type LoadTask, type LoadWorker } from "../../api/load";
import { count, duration, percent, plural } from "../../time/format";
import { DataTable, type Column } from "../../ui/DataTable";
import { ErrorMark } from "../../ui/ErrorMark";
import { IconCheck, IconDownload } from "../../ui/icons";
import { LongText } from "../../ui/LongText";
import { flag, oneOf } from "../../url/codec";
import { useUrlState } from "../../url/router";
import { failureShare, nameOf, rateText, sorts, sortTasks, type Sort } from "./figures";

const fields = { sort: oneOf(...sorts), reversed: flag() };

const time = (nanos: number) => (nanos > 0 ? duration(nanos) : <span className="soft">–</span>);

function numbers(id: Sort, title: string, width: string, wide: boolean, cell: Column<LoadTask>["cell"]): Column<LoadTask> {
  return { id, title, width, align: "right", sort: true, cell, ...(wide ? { wide } : {}) };
}

const columns: Column<LoadTask>[] = [
  {
    id: "task", title: "Task", width: "minmax(64px, 1fr)", sort: true,
    cell: (t) => (
      <span className="load-task" title={t.name}>
        {t.method && <span className="load-method">{t.method}</span>}
        <bdi className="ellipsis">{t.method ? nameOf(t) : <b>{t.name}</b>}</bdi>
      </span>
    ),
  },
  numbers("requests", "Requests", "60px", false, (t) => count(t.requests)),
  numbers("failures", "Failures", "58px", false, (t) =>
    t.failures === 0 ? "0" : (
      <span className="load-bad" title={`${percent(failureShare(t))} of the requests`}>
        <ErrorMark size={12} title="failures" />
        {count(t.failures)}
      </span>
    ),
  ),
  numbers("p50", "Median", "72px", true, (t) => time(t.p50Nanos)),
  numbers("p95", "p95", "62px", false, (t) => time(t.p95Nanos)),
  numbers("p99", "p99", "72px", true, (t) => time(t.p99Nanos)),
  numbers("mean", "Average", "72px", true, (t) => time(t.meanNanos)),
  numbers("min", "Min", "72px", true, (t) => time(t.minNanos)),
  numbers("max", "Max", "72px", true, (t) => time(t.maxNanos)),
  numbers("rate", "Req/s", "44px", false, (t) => rateText(t.requestRate)),
  numbers("failing", "Failures/s", "76px", true, (t) => rateText(t.failureRate)),
];

/** Tasks lists the results of each task, and of all of them. */
export function Tasks({ load }: { load: Load }) {
  const [state, set] = useUrlState(fields);
  const stopped = load.state === "stopped";
  // A load that stands has no current rates; those of the whole of it say more than 0.
  const shown = (t: LoadTask) => (stopped ? { ...t, requestRate: t.meanRequestRate, failureRate: t.meanFailureRate } : t);
  const rows = [...sortTasks(load.tasks.map(shown), state.sort, state.reversed), shown(load.total)];
  return (
    <section className="panel">
      <div className="panel-head">
        <h2 className="panel-title">Tasks</h2>
        <span className="soft wide-only">since the {stopped ? "start; rates of the whole time" : "start or the last reset; rates of the last ten seconds"}</span>
        <Csv of="tasks" />
      </div>
      <DataTable
        label="Tasks"
        columns={columns}
        rows={rows}
        rowKey={(t) => `${t.method} ${t.name}`}
        sorted={{ id: state.sort, descending: state.sort === "task" ? state.reversed : !state.reversed }}
        onSort={(id) => set({ sort: id as Sort, reversed: id === state.sort && !state.reversed }, { replace: true })}
      />
    </section>
  );
}

/** Failures lists what went wrong, most frequent first. */
export function Failures({ load }: { load: Load }) {
  return (
    <section className="panel">
      <div className="panel-head">
        <h2 className="panel-title">Failures</h2>
        {load.failures.length === 0 ? (
          <span className="load-ok">
            <IconCheck size={14} /> {load.total.requests === 0 ? "none yet" : `none in ${plural(load.total.requests, "request")}`}
          </span>
        ) : (
          <>
            <span className="soft">{plural(load.failures.length, "kind")}</span>
            <Csv of="failures" />
          </>
        )}
      </div>
      {load.failures.length > 0 && (
        <ul className="load-failures" aria-label="Failures" tabIndex={0}>
          {load.failures.map((f) => (
            <li key={`${f.method} ${f.name} ${f.message}`}>
              <span className="num load-bad">{count(f.count)}</span>
              <span className="load-task" title={f.name}>
                <span className="load-method">{f.method}</span>
                <bdi className="ellipsis">{nameOf(f)}</bdi>
              </span>
              <LongText text={f.message} limit={300} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Csv({ of }: { of: "tasks" | "failures" }) {
  return (
    <a className="load-download" href={`${own}load/${of}.csv`} download aria-label={`${of} as CSV`}>
      <IconDownload size={14} /> CSV
    </a>
  );
}

const workerColumns: Column<LoadWorker>[] = [
  {
    id: "worker", title: "Worker", width: "minmax(110px, 1fr)",
    cell: (w) => (
      <span className="ellipsis" title={`${w.address}, called ${w.id}`}>
        <bdi>{w.address}</bdi> <span className="soft wide-only">{w.id.slice(0, 6)}</span>
      </span>
    ),
  },
  {
    id: "state", title: "State", width: "84px",
    cell: (w) =>
      w.state === "lost" ? (
        <span className="load-bad">
          <ErrorMark size={12} title="lost" /> lost
        </span>
      ) : (
        w.state
      ),
  },
  { id: "users", title: "Users", width: "56px", align: "right", cell: (w) => count(w.users) },
  { id: "requests", title: "Requests", width: "72px", align: "right", cell: (w) => count(w.requests) },
  { id: "failures", title: "Failures", width: "72px", align: "right", wide: true, cell: (w) => count(w.failures) },
  {
    id: "seen", title: "Last report", width: "100px", align: "right", wide: true,
    cell: (w) => (w.silentSeconds < 2 ? "now" : `${duration(Math.round(w.silentSeconds) * 1e9)} ago`),
  },
];

/** Workers lists who makes the load of a coordinator. */
export function Workers({ load }: { load: Load }) {
  const lost = load.workers.filter((w) => w.state === "lost").length;
  return (
    <section className="panel">
      <div className="panel-head">
        <h2 className="panel-title">Workers</h2>
        <span className="soft">
          {plural(load.workers.length, "worker")}
          {lost > 0 && `, ${lost} lost: the others have the users; what the lost ones did is counted`}
        </span>
      </div>
      {load.workers.length === 0 ? (
        <EmptyWorkers expected={load.workersExpected} />
      ) : (
        <DataTable label="Workers" columns={workerColumns} rows={load.workers} rowKey={(w) => w.id} />
      )}
    </section>
  );
}

function EmptyWorkers({ expected }: { expected: number }) {
  return <p className="soft load-note">None has joined yet; {expected === 1 ? "one is" : `${expected} are`} awaited.</p>;
}
