/** Questions as React asks them: kept for all who ask the same, cancelled when nobody does any more. */
import { keepPreviousData, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { get, getPrometheus, own, prometheus, type Ask } from "./request";

/** questionOf is what is kept of a question and its answer, for all who ask it. */
export function questionOf<T>({ path, params = {}, fresh = 30_000 }: Ask) {
  return { queryKey: [own, path, params], queryFn: ({ signal }: { signal: AbortSignal }) => get<T>(path ?? "", params, signal), staleTime: fresh };
}

/** useApi asks Signalbox' own API. The request is cancelled when another takes its place. */
export function useApi<T>(ask: Ask): UseQueryResult<T> {
  const { path, keep = true } = ask;
  return useQuery<T>({
    ...questionOf<T>(ask),
    enabled: path !== undefined,
    ...(ask.every ? { refetchInterval: ask.every } : {}),
    ...(keep ? { placeholderData: keepPreviousData } : {}),
  });
}

/** usePrometheus asks the Prometheus API. */
export function usePrometheus<T>({ path, params = {}, keep = true, fresh = 30_000 }: Ask): UseQueryResult<T> {
  return useQuery<T>({
    queryKey: [prometheus, path, params],
    queryFn: ({ signal }) => getPrometheus<T>(path ?? "", params, signal),
    enabled: path !== undefined,
    staleTime: fresh,
    ...(keep ? { placeholderData: keepPreviousData } : {}),
  });
}
