import { useEffect, useRef, useState } from "react";
import { own, urlOf } from "../../api/request";
import { type SpanCore } from "../../api/types";

/** Tail is what arrived since a live tail was opened, newest first. */
export interface Tail {
  spans: SpanCore[];
  /** batch are those of the last half second. */
  batch: SpanCore[];
  missed: number;
  /** state is lost when the connection is gone; the browser tries again. What is sent before it follows is not shown. */
  state: "connecting" | "following" | "lost";
}

const none: Tail = { spans: [], batch: [], missed: 0, state: "connecting" };

/** kept is how many spans a tail remembers. */
const kept = 500;

/** useTail follows the spans that satisfy q while enabled. The page is told twice a second. */
export function useTail(q: string, enabled: boolean): Tail {
  const [tail, setTail] = useState(none);
  const waiting = useRef<{ spans: SpanCore[]; missed: number }>({ spans: [], missed: 0 });
  useEffect(() => {
    setTail(none);
    if (!enabled) return;
    waiting.current = { spans: [], missed: 0 };
    const source = new EventSource(urlOf(`${own}traces/tail`, { q }));
    source.addEventListener("span", (e) => waiting.current.spans.push(JSON.parse(e.data) as SpanCore));
    source.addEventListener("missed", (e) => (waiting.current.missed += (JSON.parse(e.data) as { missed: number }).missed));
    source.addEventListener("open", () => setTail((t) => ({ ...t, state: "following" })));
    source.addEventListener("error", () => setTail((t) => ({ ...t, state: "lost" })));
    const timer = setInterval(() => {
      const { spans, missed } = waiting.current;
      if (spans.length === 0 && missed === 0) return;
      waiting.current = { spans: [], missed: 0 };
      const batch = spans.reverse();
      setTail((t) => ({ ...t, batch, spans: [...batch, ...t.spans].slice(0, kept), missed: t.missed + missed }));
    }, 500);
    return () => {
      source.close();
      clearInterval(timer);
    };
  }, [q, enabled]);
  return tail;
}
