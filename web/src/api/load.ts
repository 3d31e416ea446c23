/** The answers about a load, as internal/server/openapi.yaml describes them. */

export interface Load {
  state: "waiting" | "spawning" | "running" | "stopped";
  host: string;
  users: number;
  /** targetUsers are those of before when it is stopped. */
  targetUsers: number;
  spawnRate: number;
  elapsedNanos: number;
  ranNanos: number;
  /** runTimeNanos is 0 for a load that does not end by itself. */
  runTimeNanos: number;
  total: LoadTask;
  tasks: LoadTask[];
  failures: LoadFailure[];
  /** workersExpected is 0 when the server makes the load itself. */
  workersExpected: number;
  workers: LoadWorker[];
}

/** LoadTask has the results of one task; lengths of time are 0 when there are none. */
export interface LoadTask {
  method: string;
  name: string;
  requests: number;
  failures: number;
  /** requestRate and failureRate are of the last ten seconds. */
  requestRate: number;
  failureRate: number;
  meanRequestRate: number;
  meanFailureRate: number;
  p50Nanos: number;
  p95Nanos: number;
  p99Nanos: number;
  meanNanos: number;
  minNanos: number;
  maxNanos: number;
}

export interface LoadFailure {
  method: string;
  name: string;
  message: string;
  count: number;
}

export interface LoadWorker {
  id: string;
  address: string;
  state: "ready" | "working" | "done" | "lost";
  users: number;
  requests: number;
  failures: number;
  silentSeconds: number;
}

/** LoadHistory has lists of the same length; lengths of time are 0 when nothing was answered. */
export interface LoadHistory {
  stepSeconds: number;
  timeMillis: number[];
  users: number[];
  requestRate: number[];
  failureRate: number[];
  p50Nanos: number[];
  p95Nanos: number[];
  p99Nanos: number[];
}
