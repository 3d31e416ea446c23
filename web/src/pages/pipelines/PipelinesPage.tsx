import "./pipelines.css";
import { Alert, Text } from "@mantine/core";
import { lazy, Suspense, useMemo } from "react";
import { useApi, usePrometheus } from "../../api/client";
import { type Topology, type Vector } from "../../api/pipelines";
import { useTime } from "../../time/TimeContext";
import { EmptyNote, ErrorNote, Loading, QueryState } from "../../ui/states";
import { useNarrow } from "../../ui/useNarrow";
import { Components } from "./Components";
import { ratesQuery, readFlow, totalsQuery } from "./flow";
import { rowsOf, type Counts } from "./graph";
import { Losses } from "./Losses";
import { Problems } from "./Problems";
import { StoreState } from "./StoreState";
import { Targets } from "./Targets";

const Picture = lazy(() => import("./Picture"));

/** PipelinesPage shows the running collector: its components, what passes, what goes wrong. */
export default function PipelinesPage() {
  const topology = useApi<Topology>({ path: "pipelines", fresh: 5000 });
  return (
    <>
      <QueryState query={topology} what="The collector">
        {(data) => (
          <div className="panels">
            <Collector topology={data} />
            <Losses losses={data.losses} />
            <Problems problems={data.problems} />
            <Targets topology={data} />
          </div>
        )}
      </QueryState>
      <StoreState />
    </>
  );
}

/** rateSeconds is how long rates are averaged, at most: longer would hide what happens now. */
const rateSeconds = 300;

function Collector({ topology }: { topology: Topology }) {
  const { window } = useTime();
  const seconds = Math.min(rateSeconds, Math.max(60, (window.end - window.start) / 1000));
  const time = window.end / 1000;
  const instance = topology.instance;
  const known = topology.pipelines.length > 0;
  const rates = usePrometheus<Vector>({ path: known ? "query" : undefined, params: { query: ratesQuery(instance, seconds), time } });
  const totals = usePrometheus<Vector>({ path: known ? "query" : undefined, params: { query: totalsQuery(instance), time } });
  const counts = useMemo<Counts>(() => ({ rates: readFlow(rates.data), totals: readFlow(totals.data) }), [rates.data, totals.data]);
  const narrow = useNarrow();
  if (!known) {
    return (
      <section className="panel">
        <EmptyNote title="No pipelines">This server runs without a collector around it: start it with “signalbox up”.</EmptyNote>
      </section>
    );
  }
  const failed = rates.error ?? totals.error;
  const silent = !failed && totals.data !== undefined && counts.totals.size === 0;
  return (
    <section className="panel">
      <div className="panel-head">
        <h1 className="panel-title">Pipelines</h1>
        <span className="soft">
          per second over the last {Math.round(seconds / 60)} min of the chosen time; what was lost, since the start
        </span>
      </div>
      {failed && <ErrorNote error={failed} what="What passes through" onRetry={() => void Promise.all([rates.refetch(), totals.refetch()])} />}
      {silent && (
        <Alert color="blue" variant="light" m="xs" py={6} role="status">
          <Text size="sm">
            Nothing is known yet about what passes through at this time. The collector counts it and reads its own counters every 15 s,
            with the receiver prometheus/self; a configuration without it shows the parts only.
          </Text>
        </Alert>
      )}
      {!narrow && (
        <Suspense fallback={<Loading rows={8} />}>
          <Picture topology={topology} counts={counts} />
        </Suspense>
      )}
      <Components rows={rowsOf(topology, counts)} />
    </section>
  );
}
