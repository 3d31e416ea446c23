import "./load.css";
import { Alert, Text } from "@mantine/core";
import { has } from "..";
import { useApi } from "../../api/client";
import { ApiError, own } from "../../api/request";
import { type Load, type LoadHistory } from "../../api/load";
import { count, duration, percent } from "../../time/format";
import { ErrorMark } from "../../ui/ErrorMark";
import { IconDownload, IconError, IconLoad, IconPlay, IconStop } from "../../ui/icons";
import { CopyLine, EmptyNote, ErrorNote, Loading } from "../../ui/states";
import { Charts } from "./Charts";
import { Controls } from "./Controls";
import { failureShare, rateText, stateText } from "./figures";
import { Failures, Tasks, Workers } from "./Tables";

/** LoadPage shows the load that the server makes, and steers it. */
export default function LoadPage() {
  return has("load") ? <Running /> : <NoLoad />;
}

/** NoLoad says how to have a load. */
function NoLoad() {
  return (
    <section className="panel">
      <div className="panel-head">
        <h1 className="panel-title">Load</h1>
      </div>
      <EmptyNote title="This Signalbox makes no load">
        <div className="load-commands">
          <p>Users of your own server, with a page like this one at http://localhost:8089:</p>
          <CopyLine text="signalbox load --host http://localhost:8080 --users 10 --spawn-rate 1" label="the command that makes a load" />
          <p>Or start Signalbox with an application that has visitors, who are then shown here:</p>
          <CopyLine text="signalbox up --demo" label="the command that starts the demo" />
        </div>
      </EmptyNote>
    </section>
  );
}

function Running() {
  const load = useApi<Load>({ path: "load", fresh: 0, every: 1000 });
  const history = useApi<LoadHistory>({ path: "load/history", fresh: 0, every: 2000 });
  if (!load.data) {
    return load.error ? <ErrorNote error={load.error} what="The load" onRetry={() => void load.refetch()} /> : <Loading rows={8} />;
  }
  const gone = load.error instanceof ApiError && load.error.status === 0;
  return (
    <div className="load">
      {gone && (
        <Alert color="yellow" variant="light" py={6} px="sm" icon={<IconError />} role="alert">
          <Text size="sm">The load has ended with its command: nothing answers any more. These are the last figures that were seen.</Text>
        </Alert>
      )}
      {load.error && !gone && <ErrorNote error={load.error} what="The load" onRetry={() => void load.refetch()} />}
      <section className="panel">
        <Head load={load.data} />
        <Figures load={load.data} />
        <Controls load={load.data} disabled={gone} />
      </section>
      {history.data ? <Charts history={history.data} /> : <Loading rows={5} />}
      <Tasks load={load.data} />
      <Failures load={load.data} />
      {load.data.workersExpected > 0 && <Workers load={load.data} />}
    </div>
  );
}

function Head({ load }: { load: Load }) {
  const ran = duration(Math.floor(load.elapsedNanos / 1e9) * 1e9);
  const left = load.runTimeNanos - load.ranNanos;
  return (
    <div className="panel-head">
      <h1 className="panel-title">Load</h1>
      <span className="load-state" data-state={load.state} role="status">
        {load.state === "stopped" ? <IconStop size={14} /> : load.state === "running" ? <IconPlay size={14} /> : <IconLoad size={14} />}
        {stateText(load)}
      </span>
      <span className="load-host">
        <span className="soft">asks</span>{" "}
        <bdi>
          <code>{load.host}</code>
        </bdi>
      </span>
      <span className="soft num" title="the time of the figures below">
        for {ran}
        {load.runTimeNanos > 0 && load.state !== "stopped" && `, ends in ${duration(Math.max(0, Math.ceil(left / 1e9)) * 1e9)}`}
      </span>
      <a className="load-download" href={`${own}load/report.json`} download>
        <IconDownload size={14} /> JSON
      </a>
    </div>
  );
}

function Figures({ load }: { load: Load }) {
  const { total } = load;
  const failed = failureShare(total);
  const time = (nanos: number) => (nanos > 0 ? duration(nanos) : "–");
  return (
    <dl className="load-figures">
      <div>
        <dt>Users</dt>
        <dd>
          {count(load.users)}
          {load.state !== "stopped" && load.users !== load.targetUsers && <small> of {count(load.targetUsers)}</small>}
        </dd>
      </div>
      <div title="in the last ten seconds">
        <dt>Requests/s</dt>
        <dd>{rateText(total.requestRate)}</dd>
      </div>
      <div>
        <dt>Requests</dt>
        <dd>{count(total.requests)}</dd>
      </div>
      <div data-bad={failed > 0 || undefined}>
        <dt>Failures</dt>
        <dd>
          {failed > 0 && <ErrorMark size={15} />}
          {count(total.failures)}
          {failed > 0 && <small> {percent(failed)}</small>}
        </dd>
      </div>
      <div>
        <dt>Median</dt>
        <dd>{time(total.p50Nanos)}</dd>
      </div>
      <div>
        <dt>p95</dt>
        <dd>{time(total.p95Nanos)}</dd>
      </div>
      <div>
        <dt>p99</dt>
        <dd>{time(total.p99Nanos)}</dd>
      </div>
    </dl>
  );
}
