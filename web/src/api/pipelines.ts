/** The answer about pipelines, as internal/server/openapi.yaml describes it. */
import { type Nanos } from "./types";

export interface Pipeline {
  id: string;
  signal: string;
  receivers: string[];
  processors: string[];
  exporters: string[];
}

/** Problem is a warning or an error that a component logged, once or repeatedly. */
export interface Problem {
  last: Nanos;
  count: number;
  level: "warn" | "error";
  /** kind is missing when the collector itself logged it. */
  kind?: string;
  component?: string;
  signal?: string;
  message: string;
  detail?: string;
}

/** Loss is what one component did not pass on of one signal for one reason. */
export interface Loss {
  last: Nanos;
  kind: string;
  component: string;
  signal: string;
  outcome: "refused" | "dropped" | "failed" | "retried";
  reason: string;
  /** items are spans, points or records; attempts when retried. */
  items: number;
  error?: string;
}

export interface Topology {
  /** instance is the label of the collector's own metrics. */
  instance: string;
  connectors: string[];
  pipelines: Pipeline[];
  problems: Problem[];
  losses: Loss[];
}

/** Held is what the status says about the store. */
export interface Held {
  directory: string;
  spans: HeldRecords;
  logs: HeldRecords;
  bytes: number;
  walBytes: number;
  quarantinedFiles: number;
  metrics: { series: number; blocks: number; blockBytes: number; oldest?: string; newest?: string };
}

export interface HeldRecords {
  records: number;
  blocks: number;
  oldest?: string;
  newest?: string;
  /** refusing says why senders are told to come again later. */
  refusing?: string;
}

/** Vector is the answer to an instant query of PromQL. */
export interface Vector {
  result: { metric: Record<string, string>; value: [number, string] }[];
}
