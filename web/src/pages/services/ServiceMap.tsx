import { useMemo } from "react";
import { useApi } from "../../api/client";
import { type Call, type Dependencies, type Services } from "../../api/services";
import { duration, percent, plural, short } from "../../time/format";
import { useTime } from "../../time/TimeContext";
import { colorOf } from "../../ui/colors";
import Graph, { type GraphEdge, type GraphNode } from "../../ui/Graph";
import { IconError } from "../../ui/icons";
import { EmptyNote, PartialNote, QueryState } from "../../ui/states";
import { useNarrow } from "../../ui/useNarrow";
import { Link } from "../../url/Link";
import { Calls } from "./Calls";
import { serviceHref } from "../links";
import { graphOf, typeWord, type MapNode } from "./map";
import { TypeIcon } from "./TypeIcon";

/** ServiceMap draws who calls whom, with the same as a table below. */
export default function ServiceMap({ services }: { services: Services }) {
  const { api, window } = useTime();
  const answer = useApi<Dependencies>({ path: "dependencies", params: api });
  const seconds = (window.end - window.start) / 1000;
  return (
    <QueryState query={answer} what="The map">
      {(data) => (
        <>
          <PartialNote report={data.report} />
          <Picture calls={data.edges} services={services} seconds={seconds} />
          {data.edges.length === 0 ? (
            <EmptyNote title="No calls in this time">A call is known when both sides send spans of the same trace.</EmptyNote>
          ) : (
            <Calls calls={data.edges} seconds={seconds} height={320} />
          )}
        </>
      )}
    </QueryState>
  );
}

function Picture({ calls, services, seconds }: { calls: Call[]; services: Services; seconds: number }) {
  // On a narrow screen the table says more than a picture of thumbnail size.
  const narrow = useNarrow();
  const graph = useMemo(() => graphOf(calls, services.services), [calls, services]);
  const nodes = useMemo(() => graph.nodes.map(nodeOf), [graph]);
  const edges = useMemo(() => {
    const most = Math.max(1, ...graph.edges.map((e) => e.call.calls));
    return graph.edges.map((e) => edgeOf(e.id, e.from, e.to, e.call, seconds, most));
  }, [graph, seconds]);
  if (narrow) return null;
  return (
    <>
      {graph.left > 0 && <p className="soft" style={{ margin: 8 }}>The map has the busiest calls; {plural(graph.left, "other")} are in the table only.</p>}
      <Graph label="Map of the services; the table below has the same" nodes={nodes} edges={edges} />
    </>
  );
}

/** noticed is the part of failed calls that colours the arrow; each failure is written on it. */
const noticed = 0.01;

function edgeOf(id: string, from: string, to: string, call: Call, seconds: number, most: number): GraphEdge {
  const label = [`${short(call.calls / seconds)}/s · p95 ${duration(call.p95Nanos)}`];
  if (call.errors > 0) label.push(`⚠ ${percent(call.errors / call.calls)} failed`);
  return { id, from, to, label, bad: call.errors > 0 && call.errors >= call.calls * noticed, width: 1.2 + 2.5 * Math.sqrt(call.calls / most) };
}

function nodeOf(node: MapNode): GraphNode {
  return { id: node.id, width: 196, height: 52, body: node.type === "service" ? <ServiceNode node={node} /> : <OutsideNode node={node} /> };
}

function ServiceNode({ node: { name, row } }: { node: MapNode }) {
  const color = { "--node-color": colorOf(name) } as React.CSSProperties;
  return (
    <Link href={serviceHref(name)} className="map-node" data-type="service" style={color} title={name}>
      <span className="map-name">
        <bdi className="ellipsis">{name || "(no name)"}</bdi>
      </span>
      {row && (
        <span className="map-facts">
          <span>{short(row.rate)}/s</span>
          <span>p95 {duration(row.p95Nanos)}</span>
          {row.errors > 0 && (
            <span className="map-bad">
              <IconError size={11} title="failed" />
              {percent(row.errors / row.count)}
            </span>
          )}
        </span>
      )}
    </Link>
  );
}

function OutsideNode({ node: { name, type } }: { node: MapNode }) {
  return (
    <div className="map-node" data-type={type} title={name}>
      <span className="map-name">
        <TypeIcon type={type} />
        <bdi className="ellipsis">{name}</bdi>
      </span>
      <span className="map-facts">{typeWord(type)}</span>
    </div>
  );
}
