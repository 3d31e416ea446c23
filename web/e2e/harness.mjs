/**
 * What the browser tests share: a Signalbox of their own on free ports with an
 * empty data directory, data sent to it by OTLP JSON, and a browser.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** shots is where screenshots are kept, as page-width-scheme.png. */
export const shots = process.env.SHOTS ?? join(root, "bin/shots");

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** start runs bin/signalbox; stop ends it and removes its data. */
export async function start(extra = []) {
  const [port, grpc, http, telemetry] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const dir = mkdtempSync(join(tmpdir(), "signalbox-e2e-"));
  const child = spawn(
    process.env.SIGNALBOX ?? join(root, "bin/signalbox"),
    ["up", "--data-dir", dir, "--port", port, "--otlp-grpc-port", grpc, "--otlp-http-port", http, "--telemetry-port", telemetry, "--without", "jaeger,zipkin", ...extra].map(String),
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let log = "";
  child.stdout.on("data", (d) => (log += d));
  child.stderr.on("data", (d) => (log += d));
  const ended = new Promise((resolve) => child.on("exit", resolve));
  const base = `http://localhost:${port}`;
  const otlp = `http://localhost:${http}`;
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await until(async () => (await fetch(`${base}/healthz`)).ok && (await fetch(`${otlp}/v1/traces`, { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" })).ok, () => `signalbox did not start:\n${log}`);
  } catch (e) {
    await stop();
    throw e;
  }
  return { base, otlp, stop, log: () => log };
}

/** until waits for a condition that an outside process fulfils. */
export async function until(condition, why = () => "waited for nothing", ms = 30_000) {
  const end = Date.now() + ms;
  for (;;) {
    try {
      if (await condition()) return;
    } catch {
      // not yet
    }
    if (Date.now() > end) throw new Error(why());
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** send posts OTLP JSON; signal is traces, metrics or logs. */
export async function send(box, signal, body) {
  const answer = await fetch(`${box.otlp}/v1/${signal}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`sending ${signal}: ${answer.status} ${await answer.text()}`);
}

/** launch opens Debian's headless Chromium. */
export function launch() {
  const executablePath = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"].find(existsSync);
  if (!executablePath) throw new Error("no Chromium; run web/setup.sh");
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** views are what every page is shown in. */
export const views = [1280, 390].flatMap((width) => ["light", "dark"].map((colorScheme) => ({ width, height: width === 390 ? 844 : 800, colorScheme })));

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * barriers are what keeps people from using the page as it is now, by axe: one
 * line for every element with a serious or critical finding.
 */
export async function barriers(page) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations
    .filter((v) => v.impact === "serious" || v.impact === "critical")
    .flatMap((v) => v.nodes.map((n) => `${v.impact} ${v.id}: ${n.target.flat().join(" ")}\n    ${n.html.slice(0, 200)}\n    ${[...n.any, ...n.all, ...n.none].map((c) => c.message).join("; ")}`));
}

/**
 * visit opens a page, waits until it shows ready, calls act, and checks that
 * nothing complained, nothing sticks out and nobody is kept out; a screenshot is
 * kept as name. refused are statuses that the page is expected to be answered.
 */
export async function visit(browser, url, view, name, ready, act = async () => {}, refused = []) {
  const { width, colorScheme } = view;
  for (let left = 3; ; left--) {
    const problems = [];
    const failed = await look(problems, browser, url, view, name, ready, act, refused).then(() => undefined, (e) => e);
    // Somebody else on this machine added a network interface: Chromium drops what it was doing.
    if (left > 0 && [...problems, String(failed)].some((p) => p.includes("ERR_NETWORK_CHANGED"))) continue;
    if (failed) throw failed;
    if (problems.length > 0) throw new Error(`${name} at ${width} ${colorScheme}:\n${problems.join("\n")}`);
    return;
  }
}

/** look is visit once; what complained is added to problems. */
async function look(problems, browser, url, view, name, ready, act, refused) {
  const { width, height, colorScheme } = view;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  const page = await context.newPage();
  page.on("pageerror", (e) => problems.push(String(e)));
  page.on("console", (m) => {
    if (refused.some((status) => m.text().includes(`status of ${status} `))) return;
    if (m.type() === "error" || m.type() === "warning") problems.push(m.text());
  });
  page.on("response", (r) => {
    if (r.status() >= 400 && !refused.includes(r.status())) problems.push(`${r.status()} ${r.url()}`);
  });
  try {
    await page.goto(url);
    await page.waitForSelector(ready, { timeout: 15_000 });
    await act(page);
    await page.waitForLoadState("networkidle").catch(() => {}); // live tails never end
    await page.evaluate(() => document.fonts.ready);
    mkdirSync(shots, { recursive: true });
    await page.screenshot({ path: join(shots, `${name}-${width}-${colorScheme}.png`) });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (over > 0) problems.push(`the page is ${over} pixels too wide`);
    problems.push(...(await barriers(page)));
  } finally {
    await context.close();
  }
}

/** visitAll visits pages ([name, path, ready, refused]) in all views, and tells everything that is wrong with any. */
export async function visitAll(browser, box, pages) {
  const wrong = [];
  for (const [name, path, ready, refused] of pages) {
    const done = await Promise.allSettled(views.map((view) => visit(browser, box.base + path, view, name, ready, undefined, refused)));
    for (const { reason } of done) if (reason) wrong.push(`${name}: ${reason.message ?? reason}`);
  }
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
}

/** equal throws unless both are the same. */
export function equal(got, want, what) {
  if (JSON.stringify(got) !== JSON.stringify(want)) {
    throw new Error(`${what}: got ${JSON.stringify(got)}; want ${JSON.stringify(want)}`);
  }
}
