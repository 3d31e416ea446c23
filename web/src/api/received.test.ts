import { expect, test } from "vitest";
import { type Topology } from "./pipelines";
import { receivedOf } from "./received";

const topology: Topology = {
  instance: "a",
  connectors: ["span_metrics"],
  pipelines: [
    { id: "traces", signal: "traces", receivers: ["otlp", "zipkin"], processors: [], exporters: ["store"] },
    { id: "metrics", signal: "metrics", receivers: ["span_metrics", "otlp"], processors: [], exporters: ["store"] },
  ],
  problems: [{ last: "1", count: 2, level: "error", kind: "receiver", component: "zipkin", message: "bad span" }],
  losses: [],
};

const counted = (name: string, receiver: string, transport: string, value: number) => ({ metric: { __name__: name, receiver, transport }, value: [0, String(value)] as [number, string] });

test("receivers by transport, silent ones too", () => {
  const rows = receivedOf(topology, {
    result: [
      counted("otelcol_receiver_accepted_spans_total", "otlp", "http", 30),
      counted("otelcol_receiver_refused_spans_total", "otlp", "grpc", 2),
      counted("otelcol_receiver_failed_spans_total", "otlp", "grpc", 1),
      counted("otelcol_receiver_accepted_log_records_total", "otlp", "http", 7),
      counted("otelcol_receiver_accepted_spans_total", "gone", "http", 7),
    ],
  }, "traces");
  expect(rows.map((r) => [r.receiver, r.transport, r.accepted.traces, r.refused.traces, r.accepted.logs, r.problem?.message])).toEqual([
    ["otlp", "grpc", 0, 3, 0, undefined],
    ["otlp", "http", 30, 0, 7, undefined],
    ["zipkin", "", 0, 0, 0, "bad span"],
  ]);
  expect(receivedOf(topology, undefined, "metrics").map((r) => r.receiver)).toEqual(["otlp"]);
});
