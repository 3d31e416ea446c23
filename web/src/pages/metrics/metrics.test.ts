import { expect, test } from "vitest";
import { catalog, unitInName } from "./catalog";
import { find, marks, wordsOf } from "./find";
import { apart, commonOf, heatOf, linesOf, nameOf, stepOf } from "./matrix";
import { first, fitted, grouped, heatmapOf, read, rewritten, selector, write } from "./promql";
import { unitOf, writerOf } from "./units";

const names = [
  "flask_http_request_created", "flask_http_request_total", "flask_http_request_duration_seconds_bucket", "flask_http_request_duration_seconds_count",
  "flask_http_request_duration_seconds_sum", "flask_exporter_info", "go_goroutines", "process_memory_usage_bytes", "rpc_client_duration_milliseconds",
  "http_server_active_requests", "python_gc_objects_collected_total", "target_info", "db.pool.size", "queue_wait_seconds", "queue_wait_seconds_sum", "queue_wait_seconds_count",
];
const metadata = {
  flask_http_request_total: [{ type: "counter", help: "Total number of HTTP requests", unit: "" }],
  flask_http_request_duration_seconds: [{ type: "histogram", help: "Latency of answers", unit: "" }],
  rpc_client_duration_milliseconds: [{ type: "histogram", help: "", unit: "milliseconds" }],
  queue_wait_seconds: [{ type: "summary", help: "", unit: "" }],
  process_memory_usage_bytes: [{ type: "gauge", help: "Resident memory", unit: "" }],
};
const all = catalog(names, metadata);
const found = (text: string, ofService?: (w: string) => ReadonlySet<string> | undefined) => find(all, text, ofService).map((f) => f.metric.name);

test("series become metrics", () => {
  const kinds = Object.fromEntries(all.map((m) => [m.name, m.kind]));
  expect(kinds).toEqual({
    flask_http_request_created: "unknown", flask_http_request_total: "counter", flask_http_request_duration_seconds: "histogram", flask_exporter_info: "info",
    go_goroutines: "unknown", process_memory_usage_bytes: "gauge", rpc_client_duration_milliseconds: "native", http_server_active_requests: "unknown",
    python_gc_objects_collected_total: "counter", target_info: "info", "db.pool.size": "unknown", queue_wait_seconds: "summary",
  });
});

test("flask finds the counter and the histogram first", () => {
  for (const text of ["flask", "flask http", "http.request", "http_request", "Flask-HTTP", "HttpRequest"]) {
    expect(found(text).slice(0, 2).sort(), text).toEqual(["flask_http_request_duration_seconds", "flask_http_request_total"]);
  }
  expect(found("flask").slice(-2)).toEqual(["flask_exporter_info", "flask_http_request_created"]);
});

test("metrics are found by help, service, dots and missing letters", () => {
  expect(found("latency")).toEqual(["flask_http_request_duration_seconds"]);
  expect(found("resident")).toEqual(["process_memory_usage_bytes"]);
  expect(found("db_pool")).toEqual(["db.pool.size"]);
  expect(found("pool size")).toEqual(["db.pool.size"]);
  expect(found("flskreq")).toContain("flask_http_request_total");
  expect(found("guestbook", (w) => (w === "guestbook" ? new Set(["http_server_active_requests"]) : undefined))).toEqual(["http_server_active_requests"]);
  expect(found("nonsense")).toEqual([]);
  expect(found("")).toHaveLength(all.length);
  expect(found("")[0]).toMatch(/^flask/);
  expect(wordsOf("a.b_C-dE 😀")).toEqual(["a", "b", "c", "d", "e"]);
  expect(marks("flask_http_request", "http fl")).toEqual([[0, 2], [6, 10]]);
});

test("the first chart needs no query", () => {
  const f = (name: string) => first(all.find((m) => m.name === name)!);
  expect(f("flask_http_request_total")).toEqual(["sum(rate(flask_http_request_total[5m]))"]);
  expect(f("flask_http_request_duration_seconds")[1]).toBe("histogram_quantile(0.95, sum by (le) (rate(flask_http_request_duration_seconds_bucket[5m])))");
  expect(f("rpc_client_duration_milliseconds")[2]).toBe("histogram_quantile(0.99, sum(rate(rpc_client_duration_milliseconds[5m])))");
  expect(f("db.pool.size")).toEqual(['{"db.pool.size"}']);
});

test("what is written is read back", () => {
  const texts = [
    "up", 'up{job="a"}', 'sum by (status, method) (rate(x_total{a!="b\\"c", d=~"e|f"}[5m]))', "sum(rate(x_total[90s]))", 'avg by ("a.b") ({"c.d", "e.f"="g, h}"})',
    "histogram_quantile(0.5, sum by (le, a) (rate(x_bucket[5m])))", "histogram_quantile(0.99, sum by (a) (rate(x[5m])))", "max(increase(x[1h]))",
  ];
  for (const text of texts) {
    const b = read(text);
    expect(b && write(b), text).toBe(text);
  }
  expect(read(" sum( rate( x [5m] ) ) ")?.metric).toBe("x");
});

test("what chips cannot say has none", () => {
  for (const text of ["", "a + b", "sum(a) / sum(b)", "rate(x[5m] offset 1h)", "sum without (a) (x)", "topk(5, x)", "x[5m]", "sum(x) by (a)", 'x{a="b"', "{a=\"b\"}", "irate(x[5m])", "histogram_quantile(0.5, rate(x_bucket[5m]))"]) {
    expect(read(text), text).toBeUndefined();
  }
});

test("quantiles of one histogram are one card", () => {
  const list = [...first(all.find((m) => m.kind === "histogram")!), "up", "a + b"];
  const groups = grouped(list);
  expect(groups.map((g) => [g.at, g.expressions.length, g.quantiles])).toEqual([[0, 3, [0.5, 0.95, 0.99]], [3, 1, []], [4, 1, []]]);
  const next = rewritten(list, groups[0]!, { ...groups[0]!.built!, by: ["status"] }, [0.95]);
  expect(next).toEqual(["histogram_quantile(0.95, sum by (le, status) (rate(flask_http_request_duration_seconds_bucket[5m])))", "up", "a + b"]);
});

test("windows are as long as steps", () => {
  expect(fitted("sum(rate(x[5m]))", 60)).toBe("sum(rate(x[5m]))");
  expect(fitted("sum(rate(x[5m]))", 3600)).toBe("sum(rate(x[3600s]))");
  expect(fitted("sum(rate(x[5m])) / 2", 3600)).toBe("sum(rate(x[5m])) / 2");
  expect(heatmapOf(read("histogram_quantile(0.5, sum by (le) (rate(x_bucket[5m])))")!, 10)).toBe("sum by (le) (increase(x_bucket[60s]))");
  expect(selector("a", [{ label: "b", op: "=", value: "\n" }])).toBe('a{b="\\n"}');
  expect([stepOf(900), stepOf(86_400), stepOf(1)]).toEqual([5, 600, 1]);
});

test("units", () => {
  expect(all.find((m) => m.kind === "native")?.unit).toBe("ms");
  expect([unitInName("a_seconds"), unitInName("a_bytes_total"), unitInName("a_total"), unitInName("a_ratio")]).toEqual(["s", "By", "", "1"]);
  const unit = (text: string) => unitOf(read(text));
  expect(unit("sum(rate(a_bytes_total[5m]))")).toBe("By/s");
  expect(unit("sum(rate(a_total[5m]))")).toBe("/s");
  expect(unit("sum(rate(cpu_seconds_total[5m]))")).toBe("1");
  expect(unit("histogram_quantile(0.5, sum by (le) (rate(a_seconds_bucket[5m])))")).toBe("s");
  expect(unit("sum(rate(a_seconds_count[5m]))")).toBe("/s");
  expect(unit("a + b")).toBe("");
  expect(writerOf("s")(0.0123)).toBe("12.3 ms");
  expect(writerOf("By/s")(1500)).toBe("1.5 kB/s");
  expect(writerOf("/s")(2)).toBe("2/s");
  expect(writerOf("1")(0.5)).toBe("50 %");
  expect([writerOf("s")(NaN), writerOf("")(-Infinity)]).toEqual(["NaN", "-Infinity"]);
});

test("answers are put on a grid", () => {
  const grid = { start: 100, end: 120 };
  const [line] = linesOf({ resultType: "matrix", result: [{ metric: { status: "200" }, values: [[100, "1"], [110, "NaN"], [120, "+Inf"]] }] }, grid, 10, 0, "p95");
  expect(line).toMatchObject({ label: "p95 status=200", values: [1, null, null], min: 1, max: 1, mean: 1, last: Infinity });
  const many = (x: string) => ({ metric: { __name__: "up", a: "1", b: "2", c: "3", x } });
  const common = commonOf([many("1"), many("2")]);
  expect([nameOf(many("1").metric, common), nameOf({ a: "1" }, common), nameOf(many("1").metric, commonOf([many("1")]))]).toEqual(["x=1", "a=1", "up"]);
  expect(apart([{ ...line!, color: "#3b82c4" }, { ...line!, color: "#3b82c4" }]).map((l) => l.color)).toEqual(["#3b82c4", "#d98324"]);
  expect(nameOf({ __name__: "up" })).toBe("up");
  expect(nameOf({ __name__: "up", a: "1", b: "<i>" })).toBe("a=1, b=<i>");
});

test("heatmaps come from both kinds of histograms", () => {
  const grid = { start: 100, end: 110 };
  const row = (le: string, ...values: string[]) => ({ metric: { le }, values: values.map((v, i): [number, string] => [100 + 10 * i, v]) });
  const classic = heatOf({ resultType: "matrix", result: [row("+Inf", "6", "3"), row("0.1", "1", "3"), row("0.5", "5", "3")] }, grid, 10);
  expect(classic.bounds).toEqual([{ low: 0, high: 0.1 }, { low: 0.1, high: 0.5 }, { low: 0.5, high: Infinity }]);
  expect(classic.counts).toEqual([[1, 4, 1], [3, 0, 0]]);
  const native = heatOf({ resultType: "matrix", result: [{ metric: {}, histograms: [[110, { count: "3", sum: "1", buckets: [[0, "1", "2", "3"]] }]] }] }, grid, 10);
  expect(native).toMatchObject({ bounds: [{ low: 1, high: 2 }], counts: [[0], [3]], max: 3 });
});
