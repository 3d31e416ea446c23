/** The service map as nodes and edges. Pure. */
import { type Call, type ServiceRow } from "../../api/services";

/** MapNode is a service, or what services call that sends no spans itself. */
export interface MapNode {
  id: string;
  name: string;
  /** type is "service", or "database", "messaging" or "peer" for what sends no spans. */
  type: string;
  /** row is what is known of the service itself. */
  row: ServiceRow | undefined;
}

/** MapEdge is the calls of one node by another. */
export interface MapEdge {
  id: string;
  from: string;
  to: string;
  call: Call;
}

export interface ServiceGraph {
  nodes: MapNode[];
  edges: MapEdge[];
  /** left is how many edges were too many to draw. */
  left: number;
}

/** drawnEdges is how many calls can be told apart in a picture. */
export const drawnEdges = 150;

/** nodeId keeps a database apart from a service of the same name. */
export function nodeId(type: string, name: string): string {
  return `${type}:${name}`;
}

/** graphOf puts calls and services together; calls come busiest first. */
export function graphOf(calls: readonly Call[], services: readonly ServiceRow[], limit = drawnEdges): ServiceGraph {
  const rows = new Map(services.map((r) => [r.service, r]));
  const nodes = new Map<string, MapNode>();
  const node = (type: string, name: string): string => {
    const id = nodeId(type, name);
    if (!nodes.has(id)) nodes.set(id, { id, name, type, row: type === "service" ? rows.get(name) : undefined });
    return id;
  };
  const edges = calls.slice(0, limit).map((call) => {
    const from = node("service", call.caller);
    const to = node(call.type, call.callee);
    return { id: `${from} > ${to}`, from, to, call };
  });
  // Those that call nobody are on the map too, unless it is full.
  for (const r of services) if (nodes.size < limit) node("service", r.service);
  return { nodes: [...nodes.values()], edges, left: Math.max(0, calls.length - limit) };
}

const words: Record<string, string> = { messaging: "queue", peer: "outside" };

/** typeWord is what people call a node of a type. */
export function typeWord(type: string): string {
  return words[type] ?? type;
}
