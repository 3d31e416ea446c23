import "@xyflow/react/dist/base.css";
import "./graph.css";
import {
  BaseEdge, Controls, EdgeLabelRenderer, Handle, MarkerType, Position, ReactFlow,
  type Edge, type EdgeProps, type Node, type NodeProps,
} from "@xyflow/react";
import { useMemo, type ReactNode } from "react";
import { curve, place, type Point } from "./layout";

/** GraphNode is a box with what is in it. */
export interface GraphNode {
  id: string;
  width: number;
  height: number;
  body: ReactNode;
}

/** GraphEdge is an arrow with what is written on it. */
export interface GraphEdge {
  id: string;
  from: string;
  to: string;
  /** label is short: one line of text for each part. */
  label?: string[];
  /** bad says that something goes wrong there; the label must say what. */
  bad?: boolean;
  /** width of the line in pixels. */
  width?: number;
}

interface Props {
  /** label says to screen readers what the graph shows; a table has the same for them. */
  label: string;
  nodes: GraphNode[];
  edges: GraphEdge[];
  maxHeight?: number;
}

/** fit leaves room for the buttons. */
const fit = { maxZoom: 1, padding: { top: "12px", bottom: "12px", left: "12px", right: "52px" } } as const;

type BodyNode = Node<{ body: ReactNode }, "body">;
type WayEdge = Edge<{ path: string; at: Point; lines: string[]; bad: boolean }, "way">;

/**
 * Graph draws boxes and arrows from left to right. It can be moved and zoomed
 * with the pointer; links and buttons in the boxes are reached by Tab.
 */
export default function Graph({ label, nodes, edges, maxHeight = 620 }: Props) {
  const placed = useMemo(
    () => place(nodes, edges.map((e) => ({ id: e.id, from: e.from, to: e.to, ...labelSize(e) }))),
    [nodes, edges],
  );
  const flowNodes: BodyNode[] = nodes.map((n) => ({
    id: n.id,
    type: "body",
    position: placed.nodes.get(n.id) ?? { x: 0, y: 0 },
    width: n.width,
    height: n.height,
    data: { body: n.body },
  }));
  const flowEdges = edges.flatMap((e): WayEdge[] => {
    const way = placed.edges.get(e.id);
    if (!way) return [];
    const color = e.bad ? "var(--bad)" : "var(--edge)";
    return [{
      id: e.id, type: "way", source: e.from, target: e.to,
      data: { path: curve(way.points), at: way.label, lines: e.label ?? [], bad: e.bad ?? false },
      style: { stroke: color, strokeWidth: e.width ?? 1.5 },
      markerEnd: { type: MarkerType.ArrowClosed, color, width: 14, height: 14, markerUnits: "userSpaceOnUse" },
    }];
  });
  const shape = nodes.map((n) => n.id).join("\n");
  return (
    <div className="graph" role="group" aria-label={label} style={{ height: Math.min(maxHeight, Math.max(200, placed.height + 40)) }}>
      <ReactFlow
        key={shape}
        nodes={flowNodes}
        edges={flowEdges}
        nodeTypes={nodeTypes}
        edgeTypes={edgeTypes}
        fitView
        fitViewOptions={fit}
        minZoom={0.15}
        maxZoom={2}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        zoomOnScroll={false}
        preventScrolling={false}
        proOptions={{ hideAttribution: true }}
      >
        <Controls showInteractive={false} position="bottom-right" />
      </ReactFlow>
    </div>
  );
}

/** labelSize is the place that a label takes: the layout knows no fonts. */
function labelSize(e: GraphEdge): { labelWidth?: number; labelHeight?: number } {
  const lines = e.label ?? [];
  if (lines.length === 0) return {};
  return { labelWidth: Math.max(...lines.map((l) => l.length)) * 6.2 + 12, labelHeight: lines.length * 15 + 4 };
}

function Body({ data }: NodeProps<BodyNode>) {
  return (
    <>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      {data.body}
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </>
  );
}

function Way({ data, style, markerEnd }: EdgeProps<WayEdge>) {
  if (!data) return null;
  return (
    <>
      <BaseEdge path={data.path} {...(style ? { style } : {})} {...(markerEnd ? { markerEnd } : {})} />
      {data.lines.length > 0 && (
        <EdgeLabelRenderer>
          <div className="graph-label" data-bad={data.bad || undefined} style={{ transform: `translate(-50%, -50%) translate(${data.at.x}px, ${data.at.y}px)` }}>
            {data.lines.map((l) => (
              <div key={l}>{l}</div>
            ))}
          </div>
        </EdgeLabelRenderer>
      )}
    </>
  );
}

const nodeTypes = { body: Body };
const edgeTypes = { way: Way };
