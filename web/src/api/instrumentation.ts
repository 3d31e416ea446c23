/** The answer about instrumentation, as internal/server/openapi.yaml describes it. */
import { type Nanos } from "./types";

/** PodState is how a pod stands to what it would get if it started now. */
export type PodState = "Guarded" | "Refused" | "Missed" | "Stale" | "Injected" | "Off";

export interface Instrumentation {
  /** operator is where the operator is asked; missing: this Signalbox asks none. */
  operator?: string;
  /** time is when the operator looked; missing when none is asked. */
  time?: Nanos;
  workloads: Workload[];
  workloadsLeftOut: number;
  /** podsSeen counts those that ask for nothing, too. */
  podsSeen: number;
  /** problems are what could not be found out. */
  problems: string[];
}

/** Workload asks for something to be injected into its pods, or its pods have it. */
export interface Workload {
  namespace: string;
  kind: string;
  name: string;
  /** decisions are about pods that start now, one for each kind that is asked for. */
  decisions: Decision[];
  /** counts are of its pods, by kind and state. */
  counts: { kind: string; state: PodState; pods: number }[];
  pods: Pod[];
  podsLeftOut: number;
  /** fixes are what to type into a terminal, by kind. */
  fixes: { kind: string; command: string }[];
  /** notes are what its owner should know besides. */
  notes: string[];
}

export interface Decision {
  kind: string;
  outcome: "injected" | "unchanged" | "refused" | "failed";
  reason: string;
  message: string;
  /** source is the resource that is used, as namespace/name. */
  source?: string;
  containers: string[];
}

export interface Pod {
  name: string;
  created: Nanos;
  standings: Standing[];
  /** found is what runs in its containers, where that is found out on the node. */
  found: string[];
  /** said is what agents wrote into the pod's log because they stepped aside. */
  said: { container: string; message: string }[];
}

/** Standing is how a pod stands to one kind. */
export interface Standing {
  kind: string;
  state: PodState;
  source?: string;
  message: string;
}
