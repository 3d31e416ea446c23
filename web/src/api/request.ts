/**
 * Requests to the server. Every request can be cancelled, every failure is an
 * ApiError that says what is wrong in words for the reader.
 */

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

/** early are answers that were asked for before there was somebody to show them; each is given once. */
const early = new Map<string, Promise<unknown>>();

/** askEarly asks now what get will be asked for. */
export function askEarly({ path = "", params }: Ask): void {
  const url = urlOf(own + path, params);
  const answer = ask(url);
  answer.catch(() => undefined); // get has the error
  early.set(url, answer);
}

/** get asks Signalbox' own API; path is below it, as "traces". A binary answer is an ArrayBuffer. */
export async function get<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
  const url = urlOf(own + path, params);
  const before = early.get(url);
  early.delete(url);
  const answer = await (before ?? ask(url, signal));
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
  const binary = response.headers.get("Content-Type") === "application/octet-stream";
  const body: unknown = await (binary ? response.arrayBuffer() : response.json()).catch(() => undefined);
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

