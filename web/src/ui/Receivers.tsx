import { useEffect } from "react";
import { useApi, usePrometheus } from "../api/client";
import { type Topology, type Vector } from "../api/pipelines";
import { receivedOf, receivedQuery, signals, type Received, type Signal } from "../api/received";
import { count, plural } from "../time/format";
import { Link } from "../url/Link";
import { hrefOf } from "../url/router";
import { ErrorMark } from "./ErrorMark";
import { beginning } from "./LongText";

/** every is how often the receivers are asked, in milliseconds. */
const every = 5000;

/**
 * Receivers shows what arrived so far and what was refused, so that somebody who
 * waits for their first data sees where it stays. It asks again by itself.
 */
export function Receivers({ signal }: { signal: Signal }) {
  const topology = useApi<Topology>({ path: "pipelines", fresh: 0 });
  const instance = topology.data?.instance;
  const counted = usePrometheus<Vector>({ path: instance ? "query" : undefined, params: { query: receivedQuery(instance ?? "") }, fresh: 0 });
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.hidden) return;
      void topology.refetch();
      void counted.refetch();
    }, every);
    return () => clearInterval(timer);
  }, [topology.refetch, counted.refetch]);
  if (!topology.data || topology.data.pipelines.length === 0) return null;
  const rows = receivedOf(topology.data, counted.data, signal);
  return (
    <section className="receivers" aria-label="What has arrived">
      <h3>What the receivers have seen so far</h3>
      <table>
        <thead>
          <tr>
            <th scope="col">Receiver</th>
            <th scope="col" className="num">Accepted {wordOf(signal)}</th>
            <th scope="col" className="num">Refused</th>
            <th scope="col">Last warning</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((r) => (
            <Row key={`${r.receiver} ${r.transport}`} received={r} signal={signal} />
          ))}
          {rows.length === 0 && (
            <tr>
              <td colSpan={4}>No receiver takes {signal}: add one to the configuration.</td>
            </tr>
          )}
        </tbody>
      </table>
      <p className="soft">
        Counted every 15 s. A request that cannot be read is answered with 400 and why. <Link href={hrefOf("/pipelines")}>More in Pipelines</Link>
      </p>
    </section>
  );
}

function Row({ received: r, signal }: { received: Received; signal: Signal }) {
  const others = (Object.keys(signals) as Signal[]).filter((s) => s !== signal && r.accepted[s] > 0);
  const refused = r.refused[signal];
  return (
    <tr>
      <td>
        <bdi>{beginning(r.receiver, 60)}</bdi> {r.transport && <span className="soft">{beginning(r.transport, 20)}</span>}
      </td>
      <td className="num">
        {count(r.accepted[signal])}
        {others.length > 0 && <div className="soft">and {others.map((s) => plural(r.accepted[s], signals[s].one)).join(", ")}</div>}
      </td>
      <td className="num">
        {refused > 0 ? (
          <span className="inline bad">
            <ErrorMark size={12} /> {count(refused)}
          </span>
        ) : (
          0
        )}
      </td>
      <td>
        {r.problem ? (
          <span title={beginning(r.problem.detail ?? "", 500)}>
            {beginning(r.problem.message, 160)}
            {r.problem.detail && <span className="soft"> {beginning(r.problem.detail, 160)}</span>}
          </span>
        ) : (
          <span className="soft">none</span>
        )}
      </td>
    </tr>
  );
}

function wordOf(signal: Signal): string {
  return `${signals[signal].one}s`;
}
