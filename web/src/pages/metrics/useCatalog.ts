import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { usePrometheus } from "../../api/client";
import { getPrometheus, prometheus } from "../../api/request";
import { useTime } from "../../time/TimeContext";
import { catalog, type Meta, type Metric } from "./catalog";
import { find, wordsOf, type Found } from "./find";

/** Seconds are the parameters of Prometheus' API for the page's time range. */
export function useSeconds(): { start: string; end: string } {
  const { window } = useTime();
  return { start: (window.start / 1000).toFixed(0), end: (window.end / 1000).toFixed(0) };
}

/** useCatalog gives the metrics that have data in the time range. */
export function useCatalog(): { metrics: Metric[] | undefined; error: unknown; refetch(): void } {
  const seconds = useSeconds();
  const names = usePrometheus<string[]>({ path: "label/__name__/values", params: seconds });
  const metadata = usePrometheus<Record<string, Meta[]>>({ path: "metadata", fresh: 60_000 });
  const known = metadata.data ?? (metadata.error ? nothing : undefined);
  const metrics = useMemo(() => (names.data && known ? catalog(names.data, known) : undefined), [names.data, known]);
  return { metrics, error: names.error, refetch: () => void names.refetch() };
}

const nothing: Record<string, Meta[]> = {};

/** mostServices bounds how many services are asked for their metrics at a time. */
const mostServices = 8;

/** useFound gives the metrics that text finds: by name and help at once, by service when that is known. */
export function useFound(metrics: Metric[] | undefined, text: string): Found[] {
  const seconds = useSeconds();
  const words = useMemo(() => wordsOf(text).filter((w) => w.length >= 2), [text]);
  const jobs = usePrometheus<string[]>({ path: words.length > 0 ? "label/job/values" : undefined, params: seconds });
  const named = (word: string) => (jobs.data ?? []).filter((job) => wordsOf(job).join("_").includes(word)).slice(0, mostServices);
  const asked = [...new Set(words.flatMap(named))].slice(0, mostServices);
  const ofJobs = useQuery<Map<string, Set<string>>>({
    queryKey: [prometheus, "metrics of", asked, seconds.start],
    queryFn: async ({ signal }) => {
      const lists = await Promise.all(asked.map((job) => getPrometheus<string[]>("label/__name__/values", { ...seconds, "match[]": `{job=${JSON.stringify(job)}}` }, signal)));
      return new Map(asked.map((job, i) => [job, new Set((lists[i] ?? []).flatMap((n) => [n, n.replace(/_(bucket|sum|count)$/, "")]))]));
    },
    enabled: asked.length > 0,
    staleTime: 60_000,
    placeholderData: keepPreviousData,
  });
  return useMemo(() => {
    const of = (word: string) => {
      const sets = named(word).flatMap((job) => ofJobs.data?.get(job) ?? []);
      return sets.length === 0 ? undefined : new Set(sets.flatMap((s) => [...s]));
    };
    const cache = new Map<string, ReadonlySet<string> | undefined>();
    return find(metrics ?? [], text, (word) => {
      if (!cache.has(word)) cache.set(word, of(word));
      return cache.get(word);
    });
  }, [metrics, text, jobs.data, ofJobs.data]);
}
