/**
 * Load: the page of `signalbox load` on the real guestbook, steered from the
 * page; that of a coordinator with a worker; and that of the demo's visitors.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { equal, start, until, views, visit } from "./harness.mjs";

const binary = process.env.SIGNALBOX ?? join(dirname(fileURLToPath(import.meta.url)), "../../bin/signalbox");

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** run starts a command of Signalbox; the test waits for what it prints. */
function run(...args) {
  const child = spawn(binary, args.map(String), { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  child.stdout.on("data", (d) => (out += d));
  child.stderr.on("data", (d) => (out += d));
  const ended = new Promise((resolve) => child.on("exit", resolve));
  const end = async () => {
    child.kill("SIGINT");
    await ended;
    return out;
  };
  return { end, prints: (text) => until(() => out.includes(text), () => `waited for “${text}”:\n${out}`) };
}

/** guestbook starts the demo, whose telemetry goes nowhere. */
async function guestbook(...flags) {
  const dir = mkdtempSync(join(tmpdir(), "signalbox-e2e-"));
  const [front, back, store] = [await freePort(), await freePort(), await freePort()];
  const demo = run("demo", "--frontend-port", front, "--backend-port", back, "--store-port", store, "--database", join(dir, "messages.db"), "--otlp-endpoint", "http://localhost:9", ...flags);
  await demo.prints("Stop with Ctrl-C");
  return {
    host: `http://localhost:${front}`,
    stop: async () => {
      await demo.end();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const figure = (page, name) => page.locator(".load-figures div", { has: page.locator(`dt:text-is("${name}")`) }).locator("dd");

/** loadOf answers what the server says about the load. */
const loadOf = async (base) => (await fetch(`${base}/api/signalbox/v1/load`)).json();

/** itsOwnPage shows a load that asks the guestbook, and changes it by the keyboard. */
export async function itsOwnPage({ browser }) {
  const site = await guestbook("--errors", "0.2");
  const port = await freePort();
  const base = `http://localhost:${port}`;
  const load = run("load", "--host", site.host, "--users", 4, "--spawn-rate", 2, "--wait", "100ms,200ms", "--web", `localhost:${port}`);
  try {
    await load.prints(`Watch and steer it at ${base}`);
    await until(async () => (await loadOf(base)).failures.length > 0, () => "no task failed");
    await visit(browser, base, views[0], "load-steered", "text=running", async (page) => {
      equal(await page.locator("nav a").allTextContents(), ["Load"], "the pages of a server without data");
      equal(await page.title(), "Load · Signalbox", "the title");
      // u, then new numbers, then Enter: no pointer is needed.
      await page.keyboard.press("u");
      await page.keyboard.type("9");
      await page.keyboard.press("Tab");
      await page.keyboard.type("50");
      await page.keyboard.press("Enter");
      await figure(page, "Users").getByText("9", { exact: true }).waitFor();
      const now = await loadOf(base);
      equal([now.users, now.spawnRate], [9, 50], "users and spawn rate after Enter");
      const row = page.locator('[aria-label="Tasks"] [role=row]', { hasText: "/post" });
      equal((await row.locator("[role=cell]").allTextContents())[0], "POST/post", "the first cell of a task");
      await page.locator('[aria-label="Failures"] li', { hasText: "500 Internal Server Error" }).first().waitFor();

      // Nonsense is refused in words.
      await page.getByLabel("Users", { exact: true }).fill("0");
      await page.keyboard.press("Enter");
      await page.getByText("write a whole number from 1").waitFor();
      await page.getByLabel("Users", { exact: true }).fill("9");

      await page.getByRole("button", { name: "Stop" }).press("Enter");
      await page.locator('.load-state[data-state="stopped"]').waitFor();
      await until(async () => (await loadOf(base)).users === 0, () => "users did not leave");
      const before = (await loadOf(base)).total.requests;
      await page.getByLabel("Users", { exact: true }).fill("3");
      await page.getByRole("button", { name: "Start" }).press("Enter");
      await page.locator('.load-state[data-state="running"]').waitFor();
      const again = await loadOf(base);
      equal([again.targetUsers, again.total.requests < before], [3, true], "users, and counting anew after the start");

      await until(async () => (await loadOf(base)).total.requests > 15, () => "nothing was asked");
      await page.getByRole("button", { name: "Reset statistics" }).press("Enter");
      await until(async () => (await loadOf(base)).total.requests < 15, () => "nothing was reset");

      const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "tasks as CSV" }).click()]);
      equal(file.suggestedFilename(), "load-tasks.csv", "the name of the table");
      await page.getByRole("img", { name: /^Response times/ }).waitFor();
    });
    await fetch(`${base}/api/signalbox/v1/load/start`, { method: "POST", body: JSON.stringify({ users: 30, spawnRate: 3 }) });
    await until(async () => (await loadOf(base)).users === 30 && (await loadOf(base)).failures.length > 1, () => "users did not come");
    await Promise.all(views.map((view) => visit(browser, base, view, "load", '[role=img][aria-label^="Response times"]')));
    await visit(browser, `${base}/load?sort=requests&reversed=1`, views[0], "load-sorted", '[aria-sort="ascending"]:has-text("Requests")');
    await visit(browser, `${base}/traces`, views[0], "load-elsewhere", "text=There is no such page");

    // A page of another origin can have a browser send this; nothing happens.
    const foreign = await fetch(`${base}/api/signalbox/v1/load/stop`, { method: "POST", headers: { Origin: "https://evil.example", "Sec-Fetch-Site": "cross-site" } });
    equal([foreign.status, (await loadOf(base)).state], [403, "running"], "another origin's stop");
  } finally {
    const out = await load.end();
    await site.stop();
    if (!out.includes("Done after")) throw new Error(`load ended without a summary:\n${out}`);
  }
}

/** coordinated shows workers, and what it waits for. */
export async function coordinated({ browser }) {
  const site = await guestbook();
  const [port, join] = [await freePort(), await freePort()];
  const base = `http://localhost:${port}`;
  const all = [run("load", "--host", site.host, "--coordinator", `localhost:${join}`, "--workers", 2, "--users", 6, "--spawn-rate", 20, "--wait", "100ms,200ms", "--web", `localhost:${port}`)];
  const worker = () => all.push(run("load", "--worker", "--join", `localhost:${join}`, "--host", site.host));
  try {
    await all[0].prints(`Watch and steer it at ${base}`);
    worker();
    await until(async () => (await loadOf(base)).workers.length === 1, () => "the first worker did not join");
    await visit(browser, base, views[0], "load-waiting", "text=waiting for workers, 1 of 2 are here");
    worker();
    await until(async () => (await loadOf(base)).total.requests > 20, () => "the workers did nothing");
    await Promise.all(
      [views[0], views[3]].map((view) =>
        visit(browser, base, view, "load-workers", '[aria-label="Workers"] [role=row] >> text=working', async (page) => {
          equal(await page.locator('[aria-label="Workers"] [role=row]').count(), 3, "rows of workers, with the head");
        }),
      ),
    );
    await visit(browser, base, views[0], "load-workers-steered", "text=running", async (page) => {
      await page.getByLabel("Users", { exact: true }).fill("2");
      await page.keyboard.press("Enter");
      await until(async () => (await loadOf(base)).users === 2, () => "the workers kept their users");
    });
  } finally {
    for (const one of all) await one.end();
    await site.stop();
  }
}

/** visitorsOfTheDemo are on a page beside the others; without them it says what to do. */
export async function visitorsOfTheDemo({ box, browser }) {
  await visit(browser, `${box.base}/load`, views[0], "load-none", "text=This Signalbox makes no load", async (page) => {
    equal((await page.locator("nav a").allTextContents()).includes("Load"), false, "Load among the pages of a server without one");
  });
  const demo = await start(["--demo", "--demo-port", "0"]);
  try {
    await until(async () => (await loadOf(demo.base)).total.requests > 5, () => "no visitor came");
    await Promise.all(
      [views[0], views[2]].map((view) =>
        visit(browser, `${demo.base}/traces`, view, "load-demo", "nav >> text=Load", async (page) => {
          await page.getByRole("link", { name: "Load" }).click();
          await page.locator(".load-charts canvas").first().waitFor();
        }),
      ),
    );
  } finally {
    await demo.stop();
  }
}
