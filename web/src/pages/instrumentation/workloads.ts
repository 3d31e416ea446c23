/** Workloads as rows of a table, filtered and sorted. Pure. */
import { type Decision, type PodState, type Workload } from "../../api/instrumentation";

/** State is that of a workload's pods together, for one kind: the one that most wants somebody to act. */
export type State = PodState | "Failed" | "Idle";

/** Row is one kind of thing that a workload asks for or has. */
export interface Row {
  key: string;
  workload: Workload;
  kind: string;
  state: State;
  reason: string;
  message: string;
  /** decision is missing where nothing asks for it any more. */
  decision: Decision | undefined;
  /** injected of pods have what they would get now. */
  injected: number;
  pods: number;
}

/** states are in the order of how much they want somebody to act. */
export const states: readonly State[] = ["Guarded", "Failed", "Refused", "Missed", "Stale", "Injected", "Idle", "Off"];

/** stateText says what a state is, for those who see the word for the first time. */
export const stateText: Record<State, string> = {
  Guarded: "pods crashed with it, and start without it",
  Failed: "the operator could not decide",
  Refused: "pods cannot have it until something changes",
  Missed: "pods started without it, and would get it now",
  Stale: "pods have another than they would get now",
  Injected: "pods have it",
  Idle: "there are no pods; the next one gets it",
  Off: "it is not wanted",
};

/** wrong says that somebody has to act. */
export function wrong(state: State): boolean {
  return state === "Guarded" || state === "Failed" || state === "Refused";
}

/** rowsOf lists what the workloads ask for, and what their pods have. */
export function rowsOf(workloads: readonly Workload[]): Row[] {
  return workloads.flatMap((w) => [...new Set([...w.decisions, ...w.counts].map((of) => of.kind))].map((kind) => rowOf(w, kind)));
}

function rowOf(workload: Workload, kind: string): Row {
  const decision = workload.decisions.find((d) => d.kind === kind);
  const counts = workload.counts.filter((c) => c.kind === kind && c.pods > 0);
  const state = stateOf(decision, counts.map((c) => c.state));
  return {
    key: `${pathOf(workload)} ${kind}`,
    workload,
    kind,
    state,
    reason: decision?.reason ?? "",
    message: messageOf(workload, kind, state, decision),
    decision,
    injected: counts.find((c) => c.state === "Injected")?.pods ?? 0,
    pods: counts.reduce((sum, c) => sum + c.pods, 0),
  };
}

function stateOf(decision: Decision | undefined, ofPods: PodState[]): State {
  if (decision?.outcome === "failed") return "Failed";
  const worst = states.find((s) => (ofPods as State[]).includes(s));
  if (worst) return worst;
  if (decision?.reason === "CrashGuard") return "Guarded";
  if (decision?.outcome === "refused") return "Refused";
  return decision?.outcome === "injected" ? "Idle" : "Off";
}

/** messageOf is about the state: what is said of a pod in it, where the decision alone does not say. */
function messageOf(workload: Workload, kind: string, state: State, decision: Decision | undefined): string {
  const standing = workload.pods.flatMap((p) => p.standings).find((s) => s.kind === kind && s.state === state);
  const aboutPods = state === "Missed" || state === "Stale";
  return (aboutPods ? standing?.message : undefined) ?? decision?.message ?? standing?.message ?? "";
}

/** Chosen is what of the rows is shown; empty shows all. */
export interface Chosen {
  namespace: string;
  state: string;
  reason: string;
}

/** only gives the rows that are chosen. */
export function only(rows: readonly Row[], chosen: Chosen): Row[] {
  return rows.filter(
    (r) =>
      (chosen.namespace === "" || r.workload.namespace === chosen.namespace) &&
      (chosen.state === "" || r.state === chosen.state) &&
      (chosen.reason === "" || r.reason === chosen.reason),
  );
}

/** tally counts rows by a text that they have, in the order of the texts. */
export function tally(rows: readonly Row[], of: (r: Row) => string): [string, number][] {
  const counts = new Map<string, number>();
  for (const r of rows) if (of(r) !== "") counts.set(of(r), (counts.get(of(r)) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => order(a, b));
}

/** sorts are what rows can be sorted by. */
export const sorts = ["state", "workload", "kind", "reason", "pods"] as const;
export type Sort = (typeof sorts)[number];

/** sorted orders rows: what wants somebody to act first, most pods first, else by name. */
export function sorted(rows: readonly Row[], by: Sort, reversed: boolean): Row[] {
  const compare: Record<Sort, (a: Row, b: Row) => number> = {
    state: (a, b) => states.indexOf(a.state) - states.indexOf(b.state),
    workload: (a, b) => order(a.workload.name, b.workload.name),
    kind: (a, b) => order(a.kind, b.kind),
    reason: (a, b) => order(a.reason, b.reason),
    pods: (a, b) => b.pods - a.pods,
  };
  const sign = reversed ? -1 : 1;
  return [...rows].sort((a, b) => sign * compare[by](a, b) || order(a.key, b.key));
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** podsText says how many of the pods have it. */
export function podsText(r: Row): string {
  return r.pods === 0 ? "none" : `${r.injected} of ${r.pods}`;
}

/** pathOf names a workload in addresses: namespace/Kind/name. */
export function pathOf(w: Ref): string {
  return `${w.namespace}/${w.kind}/${w.name}`;
}

/** Ref is what an address names. */
export interface Ref {
  namespace: string;
  kind: string;
  name: string;
}

/** refOf reads what pathOf writes; undefined: it names nothing. */
export function refOf(path: string): Ref | undefined {
  const [namespace, kind, name, ...more] = path.split("/");
  return namespace && kind && name && more.length === 0 ? { namespace, kind, name } : undefined;
}

/** commandOf is the command that explains a workload. */
export function commandOf({ namespace, kind, name }: Ref): string {
  return `signalbox explain ${kind.toLowerCase()}/${name} -n ${namespace}`;
}
