import { Anchor } from "@mantine/core";
import { useApi } from "../api/client";
import { type Signal } from "../api/received";
import { type Status } from "../api/types";
import { Receivers } from "./Receivers";
import { CopyLine } from "./states";

const first: Record<Signal, { title: string; here: string; shell: string }> = {
  traces: { title: "Send your first trace", here: "This page shows traces as they arrive.", shell: "One span from the shell" },
  metrics: { title: "Send your first metric", here: "Metrics are listed here once they have data.", shell: "One number from the shell" },
  logs: { title: "Send your first log record", here: "This page shows records as they arrive.", shell: "One record from the shell" },
};

/**
 * HowToSend is what a page shows that has no data yet: lines to paste, with the
 * addresses of this Signalbox, and what arrived so far.
 */
export function HowToSend({ signal }: { signal: Signal }) {
  const status = useApi<Status>({ path: "status" });
  const at = (name: string, otherwise: string) => addressOf(status.data?.endpoints.find((e) => e.name === name)?.url, otherwise);
  const http = at("otlp http", "localhost:4318");
  const grpc = at("otlp grpc", "localhost:4317");
  const { title, here, shell } = first[signal];
  return (
    <div className="welcome">
      <header>
        <h2>{title}</h2>
        <p className="soft">{here} Any of these is enough:</p>
      </header>
      <div>
        <ol className="ways">
          <li>
            <h3>A program with an OpenTelemetry SDK</h3>
            <CopyLine label="environment" text={`export OTEL_EXPORTER_OTLP_ENDPOINT=http://${http} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`} />
          </li>
          <li>
            <h3>{shell}</h3>
            <CopyLine label="curl" text={curlLine(http, signal)} />
          </li>
          <li>
            <h3>An OpenTelemetry Collector</h3>
            <CopyLine
              label="collector configuration"
              text={`exporters:\n  otlp/signalbox:\n    endpoint: ${grpc}\n    tls: {insecure: true}\nservice:\n  pipelines:\n    ${signal}:\n      exporters: [otlp/signalbox]`}
            />
          </li>
        </ol>
        <p className="soft">
          {signal === "traces" && "Jaeger and Zipkin clients work too. "}
          {signal === "metrics" && "Prometheus targets are scraped by a prometheus receiver in a file for --config. "}
          <Anchor href="/api/signalbox/v1/status" size="sm">
            All addresses
          </Anchor>
        </p>
      </div>
      <Receivers signal={signal} />
    </div>
  );
}

/** addressOf is an address that the reader's machine can send to. */
function addressOf(url: string | undefined, otherwise: string): string {
  const address = (url ?? otherwise).replace(/^\w+:\/\//, "");
  return address.replace(/^(0\.0\.0\.0|\[::\]|):/, `${globalThis.location.hostname}:`);
}

/** curlLine sends something of this moment, in any POSIX shell. */
function curlLine(address: string, signal: Signal): string {
  const resource = `"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"hello"}}]}`;
  const body = {
    traces: `{"resourceSpans":[{${resource},"scopeSpans":[{"spans":[{"traceId":"'$(printf %032x $t)'","spanId":"'$(printf %016x $t)'","name":"first span","kind":1,"startTimeUnixNano":"'$t'000000000","endTimeUnixNano":"'$t'250000000"}]}]}]}`,
    metrics: `{"resourceMetrics":[{${resource},"scopeMetrics":[{"metrics":[{"name":"first.metric","gauge":{"dataPoints":[{"timeUnixNano":"'$t'000000000","asDouble":42}]}}]}]}]}`,
    logs: `{"resourceLogs":[{${resource},"scopeLogs":[{"logRecords":[{"timeUnixNano":"'$t'000000000","severityNumber":9,"body":{"stringValue":"first record"}}]}]}]}`,
  }[signal];
  return `t=$(date +%s); curl -f http://${address}/v1/${signal} -H 'Content-Type: application/json' -d '${body}'`;
}
