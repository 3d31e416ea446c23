import { expect, test } from "vitest";
import { type PodState, type Workload } from "../../api/instrumentation";
import { commandOf, only, pathOf, podsText, refOf, rowsOf, sorted, tally } from "./workloads";

function workload(name: string, outcome: "injected" | "refused" | "failed" | "unchanged", reason: string, counts: [PodState, number][] = []): Workload {
  return {
    namespace: "shop", kind: "Deployment", name, podsLeftOut: 0, fixes: [], notes: [],
    decisions: [{ kind: "python", outcome, reason, message: `decided ${reason}`, containers: [] }],
    counts: counts.map(([state, pods]) => ({ kind: "python", state, pods })),
    pods: counts.map(([state], i) => ({ name: `${name}-${i}`, created: "0", found: [], said: [], standings: [{ kind: "python", state, message: `pods are ${state}` }] })),
  };
}

const all = [
  workload("a-injected", "injected", "AsAsked", [["Injected", 2]]),
  workload("b-half", "injected", "AsAsked", [["Injected", 2], ["Missed", 1]]),
  workload("c-refused", "refused", "NotFound", [["Refused", 1]]),
  workload("d-idle", "injected", "AsAsked"),
  workload("e-off", "unchanged", "SwitchedOff", [["Off", 1]]),
  workload("f-failed", "failed", "Internal", [["Refused", 1]]),
  workload("g-guarded", "refused", "CrashGuard"),
];

test("a row has the state that most wants somebody to act, and says why", () => {
  const rows = rowsOf(all);
  expect(rows.map((r) => [r.workload.name, r.state, podsText(r)])).toEqual([
    ["a-injected", "Injected", "2 of 2"],
    ["b-half", "Missed", "2 of 3"],
    ["c-refused", "Refused", "0 of 1"],
    ["d-idle", "Idle", "none"],
    ["e-off", "Off", "0 of 1"],
    ["f-failed", "Failed", "0 of 1"],
    ["g-guarded", "Guarded", "none"],
  ]);
  expect(rows.map((r) => r.message).slice(0, 3)).toEqual(["decided AsAsked", "pods are Missed", "decided NotFound"]);
  expect(sorted(rows, "state", false).map((r) => r.workload.name[0]).join("")).toBe("gfcbade");
  expect(sorted(rows, "pods", false)[0]?.workload.name).toBe("b-half");
  expect(sorted(rows, "workload", true)[0]?.workload.name).toBe("g-guarded");
});

test("a kind that pods have and nothing asks for has a row without a decision", () => {
  const w = { ...workload("old", "injected", "AsAsked"), decisions: [], counts: [{ kind: "java", state: "Stale" as const, pods: 1 }] };
  expect(rowsOf([w]).map((r) => [r.kind, r.state, r.reason, r.decision])).toEqual([["java", "Stale", "", undefined]]);
});

test("rows are chosen and counted", () => {
  const rows = rowsOf(all);
  expect(only(rows, { namespace: "shop", state: "", reason: "AsAsked" })).toHaveLength(3);
  expect(only(rows, { namespace: "other", state: "", reason: "" })).toHaveLength(0);
  expect(tally(rows, (r) => r.reason)).toEqual([["AsAsked", 3], ["CrashGuard", 1], ["Internal", 1], ["NotFound", 1], ["SwitchedOff", 1]]);
});

test("an address names a workload", () => {
  const w = all[0] as Workload;
  expect(refOf(pathOf(w))).toEqual({ namespace: "shop", kind: "Deployment", name: "a-injected" });
  expect([refOf("shop/Deployment"), refOf("a/b/c/d"), refOf("//")]).toEqual([undefined, undefined, undefined]);
  expect(commandOf(w)).toBe("signalbox explain deployment/a-injected -n shop");
});
