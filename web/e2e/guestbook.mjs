/**
 * Traces of a small guestbook: a frontend that asks a backend that asks a
 * database. Some fail, and some inserts are slow. Same seed, same traces.
 */
import { send } from "./harness.mjs";

/** random is mulberry32. */
export function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const text = (key, value) => ({ key, value: { stringValue: value } });
const int = (key, value) => ({ key, value: { intValue: String(value) } });
const hex = (n, length) => n.toString(16).padStart(length, "0");

/** spanOf makes one span; times are in milliseconds. */
export function spanOf({ trace, id, parent, name, kind = 1, start, ms, attributes = [], error, events, links }) {
  const from = BigInt(Math.round(start * 1000)) * 1000n;
  return {
    traceId: trace,
    spanId: id,
    ...(parent ? { parentSpanId: parent } : {}),
    name,
    kind,
    startTimeUnixNano: String(from),
    endTimeUnixNano: String(from + BigInt(Math.round(ms * 1000)) * 1000n),
    attributes,
    status: error ? { code: 2, message: error } : {},
    ...(events ? { events } : {}),
    ...(links ? { links } : {}),
  };
}

const resources = Object.fromEntries(
  ["frontend", "backend"].map((service) => [
    service,
    { attributes: [text("service.name", service), text("service.version", "1.4.2"), text("deployment.environment.name", "demo"), text("host.name", `${service}-7d9f`)] },
  ]),
);

/** slowTrace is the id of the trace whose insert is the slowest. */
export const slowTrace = "5107".padStart(32, "0");

/** traceId gives the id of trace i. */
export const traceId = (i) => hex(0x10000 + i, 32);

/** sendGuestbook sends n traces that started in the last ten minutes before now, and their logs. */
export async function sendGuestbook(box, { n = 400, now = Date.now(), seed = 1 } = {}) {
  const rnd = random(seed);
  const spans = { frontend: [], backend: [] };
  const logs = { frontend: [], backend: [] };
  for (let i = 0; i < n; i++) {
    const slow = i === 0;
    const post = slow || rnd() < 0.3;
    const start = now - 20_000 - (slow ? 240_000 : rnd() * 560_000);
    const trace = slow ? slowTrace : traceId(i);
    const version = rnd() < 0.25 ? "1.5.0" : "1.4.2";
    const database = slow ? 1840 : post ? 20 + rnd() * 60 * (version === "1.5.0" ? 6 : 1) : 2 + rnd() * 14;
    const failed = !slow && rnd() < (post ? 0.09 : 0.02);
    const route = post ? "/messages" : ["/", "/messages", "/about"][Math.floor(rnd() * 3)];
    const method = post ? "POST" : "GET";
    const status = failed ? 500 : 200;
    const http = (route) => [text("http.request.method", method), text("http.route", route), int("http.response.status_code", status), text("app.version", version), text("client.region", ["eu", "us", "asia"][Math.floor(rnd() * 3)])];
    const id = (k) => hex(i * 16 + k + 1, 16);
    const total = database + 9 + rnd() * 6;
    const error = failed ? "connection reset by database" : undefined;
    spans.frontend.push(
      spanOf({ trace, id: id(1), name: `${method} ${route}`, kind: 2, start, ms: total, attributes: http(route), error: failed ? "the backend answered 500" : undefined }),
      spanOf({ trace, id: id(2), parent: id(1), name: "render", start: start + total - 2.5, ms: 2 }),
      spanOf({ trace, id: id(3), parent: id(1), name: method, kind: 3, start: start + 1, ms: total - 4, attributes: [text("server.address", "backend")], error: failed ? "500" : undefined }),
    );
    const insert = post ? "guestbook.insert" : "guestbook.find";
    spans.backend.push(
      spanOf({ trace, id: id(4), parent: id(3), name: `${method} /api${route}`, kind: 2, start: start + 2, ms: total - 6, attributes: http(`/api${route}`), error }),
      spanOf({ trace, id: id(5), parent: id(4), name: "validate", start: start + 2.2, ms: 0.4 }),
      spanOf({
        trace, id: id(6), parent: id(4), name: insert, kind: 3, start: start + 3, ms: database, error,
        attributes: [text("db.system.name", "mongodb"), text("db.collection.name", "messages"), text("db.operation.name", post ? "insert" : "find"), text("db.query.text", post ? '{ insert: "messages", documents: [ ? ] }' : '{ find: "messages" }')],
        ...(failed ? { events: [{ timeUnixNano: String(BigInt(Math.round((start + database) * 1000)) * 1000n), name: "exception", attributes: [text("exception.type", "ConnectionError"), text("exception.message", error), text("exception.stacktrace", "ConnectionError: connection reset\n  at Pool.take (pool.js:81)\n  at insert (store.js:12)")] }] } : {}),
      }),
    );
    const at = (ms) => String(BigInt(Math.round((start + ms) * 1000)) * 1000n);
    const log = (service, span, ms, severityNumber, severityText, body) =>
      logs[service].push({ timeUnixNano: at(ms), severityNumber, severityText, body: { stringValue: body }, traceId: trace, spanId: span, attributes: [text("http.route", route)] });
    log("backend", id(4), 3, 9, "INFO", `${method} /api${route} from 10.0.0.${i % 250}`);
    if (slow) log("backend", id(6), 900, 13, "WARN", "insert takes long: the index is being built");
    if (failed) log("backend", id(6), database, 17, "ERROR", `insert gave up: ${error}`);
  }
  await send(box, "traces", { resourceSpans: Object.keys(spans).map((s) => ({ resource: resources[s], scopeSpans: [{ scope: { name: "guestbook", version: "0.3.0" }, spans: spans[s] }] })) });
  await send(box, "logs", { resourceLogs: Object.keys(logs).map((s) => ({ resource: resources[s], scopeLogs: [{ scope: { name: "guestbook" }, logRecords: logs[s] }] })) });
}
