import { useEffect, useRef } from "react";
import { usePrometheus } from "../../api/client";
import { useTime } from "../../time/TimeContext";
import { HowToSend } from "../../ui/HowToSend";
import { useSeconds } from "./useCatalog";

/** every is how often it is asked whether the first metrics have come, in milliseconds. */
const every = 5000;

/** others are series that are not Signalbox' own, which have its name as their job. */
const others = '{__name__=~".+", job!="signalbox"}';

/**
 * FirstMetric shows how to send metrics as long as there are none but those that
 * Signalbox has about itself. It goes away by itself.
 */
export function FirstMetric() {
  const time = useTime();
  const seconds = useSeconds();
  // Without an end: what comes now counts.
  const names = usePrometheus<string[]>({ path: "label/__name__/values", params: { start: seconds.start, "match[]": others, limit: 1 }, fresh: 0 });
  const alone = names.data?.length === 0;
  useEffect(() => {
    if (!alone) return;
    const timer = setInterval(() => !document.hidden && void names.refetch(), every);
    return () => clearInterval(timer);
  }, [alone, names.refetch]);
  const was = useRef(alone);
  useEffect(() => {
    if (was.current && !alone) time.refresh();
    was.current = alone;
  }, [alone]);
  return alone ? <HowToSend signal="metrics" /> : null;
}
