/**
 * The live tail: records as they arrive, kept to the newest few. While paused,
 * records go on arriving and wait.
 */
import { useEffect, useRef, useState } from "react";
import { own, urlOf } from "../../api/request";
import { type Log } from "../../api/types";

/** kept is how many records a tail shows, and how many wait while it is paused. */
export const kept = 1000;

/** Tail is what has arrived. */
export interface Tail {
  /** logs are newest first; their cursor is a number of their own. */
  logs: Log[];
  /** waiting is how many arrived since the pause, of which the newest are kept. */
  waiting: number;
  /** missed is how many the server left out because the page was too slow. */
  missed: number;
  state: "connecting" | "following" | "lost";
}

const nothing: Tail = { logs: [], waiting: 0, missed: 0, state: "connecting" };

/** useTail follows the records that satisfy q while enabled. */
export function useTail(q: string, enabled: boolean, paused: boolean): Tail {
  const [tail, setTail] = useState(nothing);
  const flow = useRef({ fresh: [] as Log[], arrived: 0, missed: 0, serial: 0, paused });
  flow.current.paused = paused;
  useEffect(() => {
    setTail(nothing);
    if (!enabled) return;
    const f = flow.current;
    [f.fresh, f.arrived, f.missed] = [[], 0, 0];
    const source = new EventSource(urlOf(`${own}logs/tail`, { q }));
    source.onopen = () => setTail((t) => ({ ...t, state: "following" }));
    // The browser tries again by itself, until the server refuses.
    source.onerror = () => setTail((t) => ({ ...t, state: source.readyState === EventSource.CLOSED ? "lost" : "connecting" }));
    source.addEventListener("end", () => setTail((t) => ({ ...t, state: "connecting" })));
    source.addEventListener("log", (e) => {
      f.fresh.push({ ...(JSON.parse(e.data as string) as Log), cursor: `live${f.serial++}` });
      f.arrived++;
      if (f.fresh.length > 2 * kept) f.fresh.splice(0, f.fresh.length - kept);
    });
    source.addEventListener("missed", (e) => {
      f.missed += (JSON.parse(e.data as string) as { missed: number }).missed;
    });
    // Not for each record: thousands may arrive in a second.
    const timer = setInterval(() => {
      setTail((t) => {
        if (f.paused) return t.waiting === f.arrived && t.missed === f.missed ? t : { ...t, waiting: f.arrived, missed: f.missed };
        if (f.arrived === 0 && t.missed === f.missed && t.waiting === 0) return t;
        const logs = [...f.fresh.slice(-kept).reverse(), ...t.logs].slice(0, kept);
        [f.fresh, f.arrived] = [[], 0];
        return { ...t, logs, waiting: 0, missed: f.missed };
      });
    }, 200);
    return () => {
      clearInterval(timer);
      source.close();
    };
  }, [q, enabled]);
  return tail;
}
