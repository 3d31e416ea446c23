/**
 * An operator as the browser tests have it: a server that says what an operator
 * told in a real run (workloads.json, which internal/explain's test on an API
 * server records), and a Signalbox that asks it.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { start } from "./harness.mjs";

/** recorded is the operator's answer about all namespaces. */
export const recorded = JSON.parse(readFileSync(new URL("workloads.json", import.meta.url), "utf8"));

/** withOperator calls test with both; told.answer is what the operator says, and away ends it. */
export async function withOperator(test) {
  const told = { answer: recorded };
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://operator");
    if (url.pathname !== "/api/workloads") return void response.writeHead(404).end();
    const namespace = url.searchParams.get("namespace");
    const [kind, name] = ["kind", "name"].map((p) => url.searchParams.get(p));
    const workloads = told.answer.workloads.filter((w) => (!namespace || w.namespace === namespace) && (!name || (w.kind === kind && w.name === name)));
    if (name && workloads.length === 0) return void response.writeHead(404).end(`${kind} ${namespace}/${name} not found`);
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(name ? workloads[0] : { ...told.answer, workloads }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const away = () => {
    server.close();
    server.closeAllConnections();
  };
  const box = await start(["--operator", `http://127.0.0.1:${server.address().port}`]);
  try {
    await test({ box, told, away });
  } finally {
    await box.stop();
    away();
  }
}
