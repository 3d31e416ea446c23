import { Button, Stack } from "@mantine/core";
import { useEffect } from "react";
import { useApi } from "../../api/client";
import { useTime } from "../../time/TimeContext";
import { HowToSend } from "../../ui/HowToSend";
import { EmptyNote } from "../../ui/states";
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
  return <HowToSend signal="traces" />;
}
