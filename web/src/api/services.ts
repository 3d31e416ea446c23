/** The answers about services, as internal/server/openapi.yaml describes them. */
import { type Nanos, type Report } from "./types";

/** Series is a time series by column; a step without spans has no percentiles. */
export interface ServiceSeries {
  count: number[];
  errors: number[];
  rate: number[];
  p50Nanos: (number | null)[];
  p95Nanos: (number | null)[];
  p99Nanos: (number | null)[];
}

/** ServiceRow is one service, or one operation of one. */
export interface ServiceRow {
  service: string;
  operation?: string;
  kind?: string;
  /** entry says that only requests to the service are counted. */
  entry: boolean;
  count: number;
  errors: number;
  rate: number;
  p50Nanos: number;
  p95Nanos: number;
  p99Nanos: number;
  totalNanos: number;
  series?: ServiceSeries;
}

export interface Services {
  start: Nanos;
  end: Nanos;
  seriesStart?: Nanos;
  stepNanos?: number;
  services: ServiceRow[];
  report: Report;
}

/** Call is the calls of one service by another. */
export interface Call {
  caller: string;
  callee: string;
  /** type is "service", or what the callee is that sends no spans itself. */
  type: string;
  calls: number;
  errors: number;
  p50Nanos: number;
  p95Nanos: number;
}

export interface Dependencies {
  edges: Call[];
  report: Report;
}
