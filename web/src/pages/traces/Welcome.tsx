import { Anchor, Button, Stack, Text } from "@mantine/core";
import { useEffect } from "react";
import { useApi } from "../../api/client";
import { type Status } from "../../api/types";
import { useTime } from "../../time/TimeContext";
import { CopyLine, EmptyNote } from "../../ui/states";
import { useTail } from "./live";

/**
 * Welcome is what an empty page shows: how to send data when there never was
 * any, and where it is when there is some outside of the range. It goes away by
 * itself when the first span arrives.
 */
export function Welcome({ filtered, onClear }: { filtered: boolean; onClear(): void }) {
  const time = useTime();
  const known = useApi<{ services: { service: string }[] }>({ path: "services", params: { start: "30d", limit: 1 } });
  const tail = useTail("", !filtered);
  const arrived = tail.spans.length > 0;
  useEffect(() => {
    if (arrived) time.refresh();
  }, [arrived]);
  if (filtered) {
    return (
      <EmptyNote title="Nothing matches in this time">
        <Stack align="center" gap="xs">
          Choose a longer time range, or remove conditions.
          <Button variant="default" onClick={onClear}>
            Remove all conditions
          </Button>
        </Stack>
      </EmptyNote>
    );
  }
  if (known.data === undefined) return null;
  if (known.data.services.length > 0) {
    return (
      <EmptyNote title="No traces in this time">
        <Stack align="center" gap="xs">
          There are older ones; new ones appear here as they arrive.
          <Button variant="default" onClick={() => time.setRange({ from: "now-7d", to: "now" })}>
            Show the last 7 days
          </Button>
        </Stack>
      </EmptyNote>
    );
  }
  return <HowToSend />;
}

/** HowToSend has lines to paste, with the addresses of this Signalbox. */
function HowToSend() {
  const status = useApi<Status>({ path: "status" });
  const at = (name: string, otherwise: string) => addressOf(status.data?.endpoints.find((e) => e.name === name)?.url, otherwise);
  const http = at("otlp http", "localhost:4318");
  const grpc = at("otlp grpc", "localhost:4317");
  return (
    <div className="welcome">
      <h2>Send your first trace</h2>
      <p className="soft">This page shows traces as they arrive. Any of these lines is enough:</p>
      <h3>A program with an OpenTelemetry SDK</h3>
      <CopyLine label="environment" text={`export OTEL_EXPORTER_OTLP_ENDPOINT=http://${http} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`} />
      <h3>One span from the shell</h3>
      <CopyLine label="curl" text={curlLine(http)} />
      <h3>An OpenTelemetry Collector</h3>
      <CopyLine label="collector configuration" text={`exporters:\n  otlp:\n    endpoint: ${grpc}\n    tls: {insecure: true}`} />
      <Text size="sm" c="dimmed" mt="sm">
        Jaeger and Zipkin clients work too. <Anchor href="/api/signalbox/v1/status" size="sm">All addresses</Anchor>
      </Text>
    </div>
  );
}

/** addressOf is an address that the reader's machine can send to. */
function addressOf(url: string | undefined, otherwise: string): string {
  const address = (url ?? otherwise).replace(/^\w+:\/\//, "");
  return address.replace(/^(0\.0\.0\.0|\[::\]|):/, `${globalThis.location.hostname}:`);
}

/** curlLine sends one span of this moment, in any POSIX shell. */
function curlLine(address: string): string {
  return `t=$(date +%s); curl -f http://${address}/v1/traces -H 'Content-Type: application/json' -d '{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"hello"}}]},"scopeSpans":[{"spans":[{"traceId":"'$(printf %032x $t)'","spanId":"'$(printf %016x $t)'","name":"first span","kind":1,"startTimeUnixNano":"'$t'000000000","endTimeUnixNano":"'$t'250000000"}]}]}]}'`;
}
