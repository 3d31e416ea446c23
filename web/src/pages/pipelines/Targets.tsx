import { usePrometheus } from "../../api/client";
import { type Topology, type Vector } from "../../api/pipelines";
import { count, duration } from "../../time/format";
import { useTime } from "../../time/TimeContext";
import { DataTable, type Column } from "../../ui/DataTable";
import { ErrorMark } from "../../ui/ErrorMark";
import { IconCheck } from "../../ui/icons";
import { beginning } from "../../ui/LongText";
import { EmptyNote, QueryState } from "../../ui/states";
import { targetsOf, targetsQuery, type Target } from "./targets";

/** Targets lists what Prometheus receivers scrape, and whether it answers. */
export function Targets({ topology }: { topology: Topology }) {
  const { window } = useTime();
  const answer = usePrometheus<Vector>({ path: "query", params: { query: targetsQuery, time: window.end / 1000 } });
  return (
    <section className="panel">
      <div className="panel-head">
        <h2 className="panel-title">Scrape targets</h2>
        <span className="soft">of Prometheus receivers, at the end of the chosen time</span>
      </div>
      <QueryState query={answer} what="The scrape targets">
        {(data) => {
          const targets = targetsOf(data, topology.problems);
          return targets.length === 0 ? (
            <EmptyNote title="No scrape targets at this time">
              Targets appear after their first scrape. Add them under receivers › prometheus › config › scrape_configs.
            </EmptyNote>
          ) : (
            <DataTable label="Scrape targets" columns={columns(topology.instance)} rows={targets} rowKey={(t) => t.key} height={300} />
          );
        }}
      </QueryState>
    </section>
  );
}

function columns(own: string): Column<Target>[] {
  return [
    {
      id: "up", title: "Health", width: "66px",
      cell: (t) =>
        t.up ? (
          <span className="ok">
            <IconCheck size={13} /> up
          </span>
        ) : (
          <span className="bad">
            <ErrorMark size={13} title="down" /> down
          </span>
        ),
    },
    { id: "job", title: "Job", width: "minmax(70px, 0.6fr)", cell: (t) => <bdi>{t.job}</bdi> },
    {
      id: "instance", title: "Instance", width: "minmax(90px, 1fr)",
      cell: (t) => <bdi title={t.instance}>{t.instance === own ? "this collector" : beginning(t.instance, 200)}</bdi>,
    },
    { id: "samples", title: "Samples", width: "70px", align: "right", cell: (t) => (t.samples === undefined ? "–" : count(t.samples)) },
    { id: "took", title: "Took", width: "74px", align: "right", wide: true, cell: (t) => (t.seconds === undefined ? "–" : duration(t.seconds * 1e9)) },
    {
      id: "error", title: "Last error", width: "minmax(120px, 1.6fr)", wide: true,
      cell: (t) => (t.problem ? <bdi title={beginning(t.problem.detail ?? "", 400)}>{beginning(t.problem.detail ?? t.problem.message, 200)}</bdi> : ""),
    },
  ];
}
