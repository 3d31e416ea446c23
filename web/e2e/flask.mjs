/**
 * Metrics of a small shop written with Flask: a counter, a histogram with
 * exemplars, an exponential histogram, gauges. Sent as one point each 15 seconds
 * of the last ten minutes.
 */
import { traceId, random } from "./guestbook.mjs";
import { send } from "./harness.mjs";

const text = (key, value) => ({ key, value: { stringValue: value } });
const nano = (ms) => String(BigInt(Math.round(ms)) * 1000000n);

const bounds = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** series are the combinations of labels that the shop's requests have, and how many of them come in 15 seconds. */
const series = [
  ["200", "GET", "web", 30],
  ["201", "POST", "web", 9],
  ["404", "GET", "web", 3],
  ["415", "POST", "api", 1],
  ["500", "POST", "api", 2],
].map(([status, method, tier, rate]) => ({ attributes: [text("status", status), text("method", method), text("tier", tier)], rate, slow: status === "500" ? 8 : 1 }));

/** sendFlask sends the metrics; exemplars are those of traces that sendGuestbook sent. */
export async function sendFlask(box, { now = Date.now() } = {}) {
  const rnd = random(7);
  const start = now - 600_000;
  const times = Array.from({ length: 40 }, (_, i) => start + (i + 1) * 15_000);
  const requests = [];
  const durations = [];
  const databases = [];
  const workers = [];
  for (const s of series) {
    let total = 0;
    let sum = 0;
    const buckets = new Array(bounds.length + 1).fill(0);
    const exponential = new Array(60).fill(0);
    for (const at of times) {
      let exemplar;
      for (let k = 0; k < s.rate; k++) {
        const seconds = s.slow * (0.02 + 0.3 * rnd() * rnd());
        total++;
        sum += seconds;
        const b = bounds.findIndex((bound) => seconds <= bound);
        buckets[b < 0 ? bounds.length : b]++;
        exponential[Math.min(59, Math.max(0, Math.ceil(Math.log2(seconds) * 4) + 40))]++;
        if (!exemplar || seconds > exemplar.asDouble) exemplar = { timeUnixNano: nano(at - 100), asDouble: seconds, traceId: traceId(1 + Math.floor(rnd() * 300)), spanId: "00000000000000a1" };
      }
      const point = { attributes: s.attributes, startTimeUnixNano: nano(start), timeUnixNano: nano(at) };
      requests.push({ ...point, asInt: String(total) });
      durations.push({ ...point, count: String(total), sum, bucketCounts: buckets.map(String), explicitBounds: bounds, exemplars: [exemplar] });
      databases.push({ ...point, count: String(total), sum, scale: 2, zeroCount: "0", positive: { offset: -41, bucketCounts: exponential.map(String) } });
    }
  }
  for (const at of times) workers.push({ attributes: [text("pool", "main")], timeUnixNano: nano(at), asInt: String(4 + Math.floor(rnd() * 4)) });
  const odd = [
    { attributes: [text("text", "<img src=x onerror=document.title='owned'>"), text("rtl", "\u202eنص 😀")], timeUnixNano: nano(now - 1000), asDouble: "NaN" },
    { attributes: [text("text", "x".repeat(20_000))], timeUnixNano: nano(now - 1000), asDouble: 1 },
  ];
  const resource = { attributes: [text("service.name", "bookshop"), text("service.instance.id", "bookshop-1"), text("service.version", "2.1.0"), text("k8s.pod.name", "bookshop-1")] };
  await send(box, "metrics", {
    resourceMetrics: [
      {
        resource,
        scopeMetrics: [
          {
            scope: { name: "flask" },
            metrics: [
              { name: "flask.http.request", description: "Requests that were answered, by status and method.", sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: requests } },
              { name: "flask.http.request.duration", unit: "s", description: "Latency of the answers.", histogram: { aggregationTemporality: 2, dataPoints: durations } },
              { name: "flask.db.duration", unit: "s", description: "Time in the database.", exponentialHistogram: { aggregationTemporality: 2, dataPoints: databases } },
              { name: "flask.exporter_info", description: "Version of the exporter.", gauge: { dataPoints: [{ timeUnixNano: nano(now - 1000), asInt: "1" }] } },
              { name: "flask.http.request_created", gauge: { dataPoints: [{ timeUnixNano: nano(now - 1000), asDouble: start / 1000 }] } },
              { name: "gunicorn.workers", description: "Processes that answer.", gauge: { dataPoints: workers } },
              { name: "hostile.values", description: "<b>help</b> \u202e نص", gauge: { dataPoints: odd } },
            ],
          },
        ],
      },
    ],
  });
}
