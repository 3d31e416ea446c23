import { useMemo } from "react";
import { type Topology } from "../../api/pipelines";
import { short } from "../../time/format";
import Graph, { type GraphEdge, type GraphNode } from "../../ui/Graph";
import { IconError } from "../../ui/icons";
import { beginning } from "../../ui/LongText";
import { graphOf, type Counts, type Part } from "./graph";

/** Picture draws the pipelines with what passes through them. */
export default function Picture({ topology, counts }: { topology: Topology; counts: Counts }) {
  const { parts, ways } = useMemo(() => graphOf(topology, counts), [topology, counts]);
  const nodes = useMemo(() => parts.map(nodeOf), [parts]);
  const edges = useMemo(
    () => ways.map((w): GraphEdge => ({ id: w.id, from: w.from, to: w.to, ...(w.rate === undefined ? {} : { label: [`${short(w.rate)}/s`] }) })),
    [ways],
  );
  return <Graph label="The pipelines; the table below has the same" nodes={nodes} edges={edges} maxHeight={760} />;
}

function nodeOf(part: Part): GraphNode {
  if (part.kind === "pipeline") {
    return { id: part.id, width: Math.max(72, part.name.length * 7.2 + 24), height: 30, body: <PipelineBody part={part} /> };
  }
  const lines = part.facts.length + (part.problem ? 1 : 0);
  const widest = Math.max(part.name.length + part.kind.length + 3, ...part.facts.map((f) => f.text.length + (f.bad ? 3 : 0)));
  return { id: part.id, width: Math.max(150, widest * 6.9 + 24), height: 30 + 16 * lines, body: <PartBody part={part} /> };
}

function PipelineBody({ part }: { part: Part }) {
  return (
    <div className="part" data-kind="pipeline" title={`pipeline ${part.name}`}>
      <bdi className="ellipsis">{part.name}</bdi>
    </div>
  );
}

function PartBody({ part }: { part: Part }) {
  const bad = part.facts.some((f) => f.bad);
  return (
    <div className="part" data-kind={part.kind} data-bad={bad || undefined} data-problem={part.problem ? true : undefined}>
      <div className="part-name ellipsis">
        <bdi>{part.name}</bdi> <span className="part-kind">{part.kind}</span>
      </div>
      {part.facts.map((f) => (
        <div key={f.text} className="fact" data-bad={f.bad || undefined}>
          {f.bad && <IconError size={12} title="lost" />}
          {f.text}
        </div>
      ))}
      {part.problem && (
        <a className="fact" data-warn href="#problems" title={beginning(`${part.problem.message} ${part.problem.detail ?? ""}`, 400)}>
          <IconError size={12} title={part.problem.level} />
          <span className="ellipsis">{beginning(part.problem.message, 80)}</span>
        </a>
      )}
    </div>
  );
}
