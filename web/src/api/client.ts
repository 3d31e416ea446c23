/**
 * Requests to the server. Every request can be cancelled, every failure is an
 * ApiError that says what is wrong in words for the reader.
 */
import { keepPreviousData, useQuery, type UseQueryResult } from "@tanstack/react-query";

/** own is where Signalbox' own API lives; prometheus has PromQL. */
export const own = "/api/signalbox/v1/";
export const prometheus = "/api/v1/";

/** ApiError is an answer that is none. */
export class ApiError extends Error {
  readonly status: number;
  readonly kind: string;
  /** position is a byte offset in the condition; undefined: it is not about one. */
  readonly position: number | undefined;

  constructor(message: string, status: number, kind: string, position?: number) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.kind = kind;
    this.position = position;
  }
}

/** Params are a request's parameters; undefined and empty ones are left out, lists repeated. */
export type Params = Record<string, string | number | readonly string[] | undefined>;

export function urlOf(path: string, params: Params = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined || value === "") continue;
    if (typeof value === "object") for (const v of value) search.append(name, v);
    else search.set(name, String(value));
  }
  const text = search.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** get asks Signalbox' own API; path is below it, as "traces". */
export async function get<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
  const answer = await ask(urlOf(own + path, params), signal);
  // A list that broke off while it was sent has its error at the end.
  const broken = (answer as { error?: { error: string; kind: string } }).error;
  if (broken && typeof broken === "object") throw new ApiError(broken.error, 200, broken.kind);
  return answer as T;
}

/** Answered is an answer of the Prometheus API with what it says about itself. */
export interface Answered<T> {
  data: T;
  warnings?: string[];
  infos?: string[];
}

/** askPrometheus asks the Prometheus API, as "query_range". */
export async function askPrometheus<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<Answered<T>> {
  return (await ask(urlOf(prometheus + path, params), signal)) as Answered<T>;
}

/** getPrometheus asks the Prometheus API and gives the data only. */
export async function getPrometheus<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
  return (await askPrometheus<T>(path, params, signal)).data;
}

/** post has Signalbox' own API change something; path is below it, as "load/stop". */
export async function post<T>(path: string, body: object = {}): Promise<T> {
  const json = { method: "POST", body: JSON.stringify(body), headers: { Accept: "application/json", "Content-Type": "application/json" } };
  return (await ask(own + path, undefined, json)) as T;
}

async function ask(url: string, signal?: AbortSignal, init: RequestInit = { headers: { Accept: "application/json" } }): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(url, { signal: signal ?? null, ...init });
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new ApiError("Signalbox does not answer. Is it still running?", 0, "unreachable");
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (!response.ok) {
    const problem = (body ?? {}) as { error?: string; kind?: string; errorType?: string; position?: number };
    const message = problem.error ?? `the answer was ${response.status} ${response.statusText}`;
    throw new ApiError(message, response.status, problem.kind ?? problem.errorType ?? "internal", problem.position);
  }
  if (body === undefined) throw new ApiError("the answer broke off", response.status, "internal");
  return body;
}

/** Ask is one question of a page; path undefined: nothing is asked yet. */
export interface Ask {
  path: string | undefined;
  params?: Params;
  /** keep shows the answer to the question before while this one is asked. */
  keep?: boolean;
  /** fresh is how many milliseconds an answer is good for; those about the past stay good. */
  fresh?: number;
  /** every asks again after so many milliseconds, as long as somebody sees the page. */
  every?: number;
}

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
