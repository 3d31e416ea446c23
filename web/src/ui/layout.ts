/** Where the nodes and edges of a graph go. Pure. */
import { Graph, layout } from "@dagrejs/dagre";

/** Box is a node with its size in pixels. */
export interface Box {
  id: string;
  width: number;
  height: number;
}

/** Line is an edge; its label takes place too. */
export interface Line {
  id: string;
  from: string;
  to: string;
  labelWidth?: number;
  labelHeight?: number;
}

export interface Point {
  x: number;
  y: number;
}

/** Placed is a graph in the plane: corners of nodes, ways of edges and middles of their labels. */
export interface Placed {
  nodes: Map<string, Point>;
  edges: Map<string, { points: Point[]; label: Point }>;
  width: number;
  height: number;
}

/** place arranges a graph so that edges point to the right. Edges to nodes that do not exist are left out. */
export function place(boxes: readonly Box[], lines: readonly Line[]): Placed {
  const g = new Graph({ multigraph: true });
  g.setGraph({ rankdir: "LR", nodesep: 22, ranksep: 44, edgesep: 14, marginx: 8, marginy: 8 });
  for (const b of boxes) g.setNode(b.id, { width: b.width, height: b.height });
  for (const l of lines) {
    if (!g.hasNode(l.from) || !g.hasNode(l.to)) continue;
    g.setEdge(l.from, l.to, { width: l.labelWidth ?? 0, height: l.labelHeight ?? 0, labelpos: "c" }, l.id);
  }
  layout(g);
  const placed: Placed = { nodes: new Map(), edges: new Map(), width: 0, height: 0 };
  for (const b of boxes) {
    const at = g.node(b.id) as Point;
    placed.nodes.set(b.id, { x: at.x - b.width / 2, y: at.y - b.height / 2 });
    placed.width = Math.max(placed.width, at.x + b.width / 2 + 8);
    placed.height = Math.max(placed.height, at.y + b.height / 2 + 8);
  }
  for (const e of g.edges()) {
    const way = g.edge(e) as { points?: Point[]; x?: number; y?: number };
    const points = sided(way.points ?? [], g.node(e.v) as Middle, g.node(e.w) as Middle);
    const middle = points[Math.floor(points.length / 2)] ?? { x: 0, y: 0 };
    placed.edges.set(e.name ?? "", { points, label: { x: way.x ?? middle.x, y: way.y ?? middle.y } });
    for (const p of points) placed.height = Math.max(placed.height, p.y + 8);
  }
  return placed;
}

/** Middle is a node as the layout has it. */
type Middle = Point & { width: number };

/** sided lets an edge leave on the right and arrive on the left, unless it leads back. */
function sided(points: Point[], from: Middle, to: Middle): Point[] {
  const right = from.x + from.width / 2;
  const left = to.x - to.width / 2;
  const between = points.slice(1, -1).filter((p) => p.x > right && p.x < left);
  return right < left ? [{ x: right, y: from.y }, ...between, { x: left, y: to.y }] : points;
}

/** curve is a smooth way through points, as the path of an SVG. */
export function curve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (!first) return "";
  let path = `M${at(first)}`;
  let before = first;
  for (const p of rest) {
    const middle = (before.x + p.x) / 2;
    path += `C${at({ x: middle, y: before.y })} ${at({ x: middle, y: p.y })} ${at(p)}`;
    before = p;
  }
  return path;
}

function at(p: Point): string {
  return `${p.x.toFixed(1)} ${p.y.toFixed(1)}`;
}
