import { expect, test } from "vitest";
import { type Call, type ServiceRow } from "../../api/services";
import { graphOf } from "./map";

const call = (caller: string, callee: string, type = "service"): Call => ({ caller, callee, type, calls: 1, errors: 0, p50Nanos: 1, p95Nanos: 1 });
const service = (name: string) => ({ service: name }) as ServiceRow;

test("a database is another node than a service of its name", () => {
  const g = graphOf([call("a", "b"), call("a", "b", "database"), call("a", "a")], [service("a"), service("alone")]);
  expect(g.nodes.map((n) => n.id)).toEqual(["service:a", "service:b", "database:b", "service:alone"]);
  expect(g.edges.map((e) => e.id)).toEqual(["service:a > service:b", "service:a > database:b", "service:a > service:a"]);
  expect(g.nodes.map((n) => n.row !== undefined)).toEqual([true, false, false, true]);
});

test("too many calls are counted", () => {
  const g = graphOf([call("a", "b"), call("b", "c"), call("c", "d")], [], 2);
  expect([g.edges.length, g.left, g.nodes.length]).toEqual([2, 1, 3]);
});
