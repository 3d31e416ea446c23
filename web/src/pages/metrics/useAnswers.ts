import { keepPreviousData, useQueries, type UseQueryResult } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { askPrometheus, prometheus, type Answered } from "../../api/request";
import { useTime } from "../../time/TimeContext";
import { apart, gridOf, linesOf, numberOf, stepOf, type Line, type Matrix } from "./matrix";
import { fitted, type Group } from "./promql";

/** Answers is what the expressions of the page give. */
export interface Answers {
  step: number;
  grid: { start: number; end: number };
  lines: Line[];
  /** problems are errors by the place of the expression. */
  problems: { index: number; error: unknown }[];
  /** remarks are what the engine warns about. */
  remarks: string[];
  /** waiting says that nothing is there yet. */
  waiting: boolean;
  stale: boolean;
  retry(): void;
}

/** useAnswers asks for every expression over the time range. */
export function useAnswers(expressions: readonly string[], groups: readonly Group[]): Answers {
  const { window } = useTime();
  const step = stepOf((window.end - window.start) / 1000);
  const grid = useMemo(() => gridOf(window, step), [window, step]);
  const prefixes = useMemo(() => prefixesOf(groups), [groups]);
  // combine runs again only when an answer changed, so that charts are not drawn anew for nothing.
  const combine = useCallback(
    (answers: UseQueryResult<Answered<Matrix>>[]) => ({
      lines: apart(answers.flatMap((a, i) => (a.data ? linesOf(a.data.data, grid, step, i, prefixes[i] ?? "") : []))),
      problems: answers.flatMap((a, index) => (a.error ? [{ index, error: a.error as unknown }] : [])),
      remarks: [...new Set(answers.flatMap((a) => [...(a.data?.warnings ?? []), ...(a.data?.infos ?? [])]))],
      waiting: answers.some((a) => a.isPending),
      stale: answers.some((a) => a.isPlaceholderData),
      retry: () => answers.forEach((a) => void a.refetch()),
    }),
    [grid, step, prefixes],
  );
  const combined = useQueries({
    queries: expressions.map((expression) => {
      const params = { query: fitted(expression, step), start: grid.start, end: Math.max(grid.start, grid.end), step };
      return {
        queryKey: [prometheus, "query_range", params],
        queryFn: ({ signal }: { signal: AbortSignal }) => askPrometheus<Matrix>("query_range", params, signal),
        staleTime: 30_000,
        placeholderData: keepPreviousData as (before: Answered<Matrix> | undefined) => Answered<Matrix> | undefined,
      };
    }),
    combine,
  });
  return { step, grid, ...combined };
}

/** prefixesOf names each expression in the legend: its quantile, and its letter when there are several cards. */
export function prefixesOf(groups: readonly Group[]): string[] {
  return groups.flatMap((g, n) =>
    g.expressions.map((_, i) => {
      const q = g.quantiles[i];
      return [groups.length > 1 ? letterOf(n) : "", q === undefined ? "" : `p${Number((100 * q).toFixed(3))}`].filter((p) => p !== "").join(" ");
    }),
  );
}

/** letterOf names a card: A to Z, then AA. */
export function letterOf(n: number): string {
  return n < 26 ? String.fromCharCode(65 + n) : letterOf(Math.floor(n / 26) - 1) + letterOf(n % 26);
}

/** Exemplar is one value that somebody kept with the trace it comes from. */
export interface Exemplar {
  time: number;
  value: number;
  traceId: string;
  spanId: string | undefined;
  /** onAxis says that its value is on the chart's axis: a histogram's is, a counter's is not. */
  onAxis: boolean;
}

interface ExemplarsOf {
  seriesLabels: Record<string, string>;
  exemplars: { labels: Record<string, string>; value: string; timestamp: number }[];
}

const mostExemplars = 400;

/** useExemplars gives the exemplars of the series that the groups read, the largest first. */
export function useExemplars(groups: readonly Group[], enabled: boolean): Exemplar[] {
  const { window } = useTime();
  const [start, end] = [(window.start / 1000).toFixed(3), (window.end / 1000).toFixed(3)];
  const asked = enabled ? groups : [];
  const answers = useQueries({
    queries: asked.map((g) => {
      const params = { query: g.expressions[0] ?? "", start, end };
      return {
        queryKey: [prometheus, "query_exemplars", params],
        queryFn: async ({ signal }: { signal: AbortSignal }) => (await askPrometheus<ExemplarsOf[]>("query_exemplars", params, signal)).data,
        staleTime: 30_000,
      };
    }),
    combine: (all) => all.map((a) => a.data),
  });
  return useMemo(
    () =>
      answers
        .flatMap((list, i) =>
          (list ?? []).flatMap((of) =>
            of.exemplars.map((e) => ({
              time: e.timestamp * 1000,
              value: numberOf(e.value),
              traceId: (e.labels["trace_id"] ?? e.labels["traceID"] ?? e.labels["traceId"] ?? "").toLowerCase(),
              spanId: e.labels["span_id"] ?? e.labels["spanID"],
              onAxis: asked[i]?.built?.quantile !== undefined,
            })),
          ),
        )
        .filter((e) => /^[0-9a-f]{16,32}$/.test(e.traceId) && Number.isFinite(e.value))
        .sort((a, b) => b.value - a.value)
        .slice(0, mostExemplars),
    [answers],
  );
}
