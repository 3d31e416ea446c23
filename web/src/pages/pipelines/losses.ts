/** What became of data that did not come out of a pipeline, in words. Pure. */
import { type Loss } from "../../api/pipelines";
import { unitWord } from "./flow";

/** reasons are those of docs/observability.md that are not plain as they are. */
const reasons: Record<string, string> = {
  unreachable: "nobody answers there",
  timeout: "no answer in time",
  canceled: "whoever waited has gone",
  tls: "no secure connection",
  protocol: "the other side speaks something else",
  unimplemented: "the other side does not know this service",
  unauthorized: "the other side wants other credentials",
  unavailable: "the other side asks to come again later",
  throttled: "the other side limits how much it takes",
  too_large: "the other side takes no messages of that size",
  rejected: "it is refused for good",
  partial_success: "the other side took the rest",
  queue_full: "the sending queue is full",
  memory_limit: "memory is at its limit",
  disk_full: "the disk is full",
  not_started: "the exporter could not start",
  shutdown: "the collector stopped",
  corrupt: "what was queued cannot be read",
  filtered: "the filter's conditions want it",
  sampled: "only a part is kept",
  no_delta: "the first value of a series has no delta",
  other: "for another reason",
};

/** becameOf says how many items, written so, what became of them, and why. */
export function becameOf(l: Loss, items: string): string {
  const unit = l.items === 1 ? unitWord(l.signal).replace(/s$/, "") : unitWord(l.signal);
  const did = {
    refused: `${items} ${unit} given back`,
    dropped: `${items} ${unit} left out on purpose`,
    failed: `${items} ${unit} lost`,
    retried: `tried again ${items} ${l.items === 1 ? "time" : "times"}`,
  }[l.outcome];
  return `${did}: ${reasons[l.reason] ?? l.reason}`;
}
