/** The answers of Signalbox' own API, as internal/server/openapi.yaml describes them. */

/** Nanos are Unix nanoseconds as text: numbers are too small for them. */
export type Nanos = string;

export interface Report {
  partial: boolean;
  stopped?: string;
  unreadable?: string[];
  rows: number;
  blocks: number;
  blocksSkipped: number;
}

export interface Attribute {
  key: string;
  type: "empty" | "string" | "bool" | "int" | "double" | "bytes" | "array" | "map";
  value: unknown;
}

/** Rank says how slow a span is for its operation: slower than a fraction of so many. */
export interface Rank {
  slowerThan: number;
  of: number;
}

/** Ranks are the ranks of a trace's spans by column, in the order of the trace. */
export interface Ranks {
  slowerThan: number[];
  of: number[];
  report: Report;
}

export interface SpanCore {
  traceId?: string;
  spanId: string;
  parentId?: string;
  service: string;
  name: string;
  kind: string;
  status: "unset" | "ok" | "error";
  start: Nanos;
  durationNanos: number;
}

export interface SpanEvent {
  time: Nanos;
  name: string;
  attributes?: Attribute[];
}

export interface SpanLink {
  traceId: string;
  spanId: string;
  attributes?: Attribute[];
}

export interface Span extends SpanCore {
  statusMessage?: string;
  traceState?: string;
  flags?: number;
  attributes?: Attribute[];
  events?: SpanEvent[];
  links?: SpanLink[];
  droppedAttributes?: number;
  droppedEvents?: number;
  droppedLinks?: number;
}

export interface Node extends Span {
  parent: number;
  depth: number;
  children: number;
  selfNanos: number;
  criticalNanos: number;
  orphan?: boolean;
  resource: number;
  scope: number;
  rank?: Rank;
}

export interface Summary {
  traceId: string;
  start: Nanos;
  durationNanos: number;
  rootService: string;
  rootName: string;
  rootMissing?: boolean;
  spanCount: number;
  errorCount: number;
  services: { service: string; spans: number; errors: number }[];
}

export interface FoundTrace extends Summary {
  matchedCount: number;
  matchedSpans: SpanCore[];
}

export interface Traces {
  traces: FoundTrace[];
  report: Report;
}

export interface Trace extends Summary {
  orphanCount: number;
  resources: { attributes?: Attribute[] }[] | null;
  scopes: { name?: string; version?: string; attributes?: Attribute[] }[] | null;
  spans: Node[];
  report: Report;
}

export interface Log {
  time: Nanos;
  observedTime?: Nanos;
  severity: number;
  severityText?: string;
  level: "unset" | "trace" | "debug" | "info" | "warn" | "error" | "fatal";
  service: string;
  body: unknown;
  eventName?: string;
  traceId?: string;
  spanId?: string;
  attributes?: Attribute[];
  resource?: Attribute[];
  scope?: string;
  cursor: string;
}

export interface Logs {
  logs: Log[];
  next?: string;
  report: Report;
}

export interface Value {
  /** text is the value as conditions have it. */
  text: string;
  type: string;
  value: unknown;
  count?: number;
}

export interface Facet {
  field: string;
  records: number;
  distinct: number;
  values: Value[];
}

export interface Facets {
  records: number;
  facets: Facet[];
  report: Report;
}

export interface FieldInfo {
  name: string;
  key: string;
  scope: string;
  type: string;
  count?: number;
}

export interface Status {
  version: string;
  started: Nanos;
  uptimeSeconds: number;
  endpoints: { name: string; url: string }[];
  tails: number;
}
