import { expect, test } from "vitest";
import { type Log } from "../../api/types";
import { bodyLine, fieldOf, literalOf, pretty, sameSource } from "./record";
import { chartOf } from "./volume";

const log = (body: unknown, more: Partial<Log> = {}): Log => ({
  time: "1", severity: 9, level: "info", service: "api", body, cursor: "1.1", ...more,
});

test("names and values are written as conditions have them", () => {
  expect(fieldOf("log", "http.route")).toBe("log.http.route");
  expect(fieldOf("resource", 'my "key"')).toBe('resource."my \\"key\\""');
  expect(literalOf({ key: "k", type: "string", value: 'a"b' })).toBe('"a\\"b"');
  expect(literalOf({ key: "k", type: "int", value: "9007199254740993" })).toBe("9007199254740993");
  expect(literalOf({ key: "k", type: "double", value: "NaN" })).toBeUndefined();
  expect(literalOf({ key: "k", type: "map", value: {} })).toBeUndefined();
});

test("the same source is the service and its most exact place", () => {
  const text = (key: string, value: string) => ({ key, type: "string" as const, value });
  expect(sameSource(log("x", { resource: [text("host.name", "h"), text("service.name", "api"), text("k8s.pod.name", "p")] }))).toEqual({
    q: 'resource.service.name = "api" && resource.k8s.pod.name = "p"',
    label: "api, p",
  });
  expect(sameSource(log("x"))).toEqual({ q: "", label: "" });
});

test("a body is one line in the list and many when it is open", () => {
  expect(bodyLine(log(" a\n\tb "))).toBe("a b");
  expect(bodyLine(log({ msg: "hi", n: 1 }))).toBe('hi {"msg":"hi","n":1}');
  expect(bodyLine(log(undefined, { eventName: "started" }))).toBe("started");
  expect(pretty('{"a":[1]}')).toBe('{\n  "a": [\n    1\n  ]\n}');
  expect(pretty("{not json}")).toBe("{not json}");
  expect(pretty("<b>x</b>")).toBe("<b>x</b>");
});

test("the chart has the levels that occur", () => {
  const report = { partial: false, rows: 0, blocks: 0, blocksSkipped: 0 };
  const c = chartOf({ start: "1000000000000", stepNanos: 1e9, total: 3, levels: ["unset", "info", "error"], counts: [[0, 1, 0], [0, 1, 1]], report });
  expect(c.times).toEqual([1_000_000, 1_001_000]);
  expect(c.series.map((s) => [s.label, s.values])).toEqual([["info", [1, 1]], ["error", [0, 1]]]);
  expect(c.levels).toEqual([{ level: "info", count: 2 }, { level: "error", count: 1 }]);
});
