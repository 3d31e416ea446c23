import { useQueryClient } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { useUrlState } from "../url/router";
import { opened, rangeFields, refreshes } from "./opened";
import { absolute, apiRange, resolve, type TimeRange, type Window } from "./range";

const refreshMs: Record<string, number> = { "5s": 5000, "10s": 10_000, "30s": 30_000, "1m": 60_000, "5m": 300_000 };

/** Time is the time range of the page, which all pages share. */
export interface Time {
  range: TimeRange;
  /** window is what range means since the last refresh. */
  window: Window;
  /** api are the parameters start and end of a request. */
  api: { start: string; end: string };
  /** now is the time of the last refresh. */
  now: number;
  refreshEvery: (typeof refreshes)[number];
  setRange(range: TimeRange): void;
  /** zoom shows a part of the window, or what is around it. */
  zoom(window: Window): void;
  setRefresh(every: (typeof refreshes)[number]): void;
  refresh(): void;
}

const Context = createContext<Time | undefined>(undefined);

export function useTime(): Time {
  const time = useContext(Context);
  if (!time) throw new Error("useTime outside of TimeProvider");
  return time;
}

/** TimeProvider keeps what "now" means, so that all parts of a page mean the same. */
export function TimeProvider({ children }: { children: ReactNode }) {
  const [state, set] = useUrlState(rangeFields);
  const [now, setNow] = useState(opened);
  const client = useQueryClient();

  const refresh = useCallback(() => {
    setNow(Date.now());
    void client.invalidateQueries({ type: "active" });
  }, [client]);

  useEffect(() => {
    const every = refreshMs[state.refresh];
    if (!every) return;
    // A page that nobody sees asks nothing.
    const timer = setInterval(() => !document.hidden && refresh(), every);
    return () => clearInterval(timer);
  }, [state.refresh, refresh]);

  const { from, to } = state;
  const value = useMemo<Time>(() => {
    const window = resolve({ from, to }, now);
    const setRange = (range: TimeRange) => {
      setNow(Date.now());
      set(range);
    };
    return {
      range: { from, to },
      window,
      api: apiRange(window),
      now,
      refreshEvery: state.refresh,
      setRange,
      zoom: (w) => setRange(absolute(w)),
      setRefresh: (every) => set({ refresh: every }, { replace: true }),
      refresh,
    };
  }, [from, to, now, state.refresh, set, refresh]);
  return <Context value={value}>{children}</Context>;
}
