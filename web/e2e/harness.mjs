/**
 * What the browser tests share: a Signalbox of their own on free ports with an
 * empty data directory, data sent to it by OTLP JSON, and a browser.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** shots is where screenshots are kept. */
export const shots = process.env.SHOTS ?? join(root, "web/e2e/shots");

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

/**
 * visit opens a page, waits until it shows ready, calls act, and checks that
 * nothing complained and nothing sticks out; a screenshot is kept as name.
 */
export async function visit(browser, url, view, name, ready, act = async () => {}) {
  const { width, height, colorScheme } = view;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (e) => problems.push(String(e)));
  page.on("console", (m) => {
    if (m.type() === "error" || m.type() === "warning") problems.push(m.text());
  });
  page.on("response", (r) => {
    if (r.status() >= 400) problems.push(`${r.status()} ${r.url()}`);
  });
  try {
    await page.goto(url);
    await page.waitForSelector(ready, { timeout: 15_000 });
    await act(page);
    await page.evaluate(() => document.fonts.ready);
    mkdirSync(shots, { recursive: true });
    await page.screenshot({ path: join(shots, `${name}-${width}-${colorScheme}.png`) });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (over > 0) problems.push(`the page is ${over} pixels too wide`);
  } finally {
    await context.close();
  }
  if (problems.length > 0) throw new Error(`${name} at ${width} ${colorScheme}:\n${problems.join("\n")}`);
}

/** equal throws unless both are the same. */
export function equal(got, want, what) {
  if (JSON.stringify(got) !== JSON.stringify(want)) {
    throw new Error(`${what}: got ${JSON.stringify(got)}; want ${JSON.stringify(want)}`);
  }
}
