/** Every page without a pointer: Tab reaches things in their order and shows where it is, keys act. */
import { slowTrace } from "./guestbook.mjs";
import { equal, until, views, visit } from "./harness.mjs";
import { withOperator } from "./operator.mjs";

const [wide] = views;

/** focused tells what has the focus: by what it can be found, and whether it is seen to have it. */
function focused(page) {
  return page.evaluate(async () => {
    const at = document.activeElement;
    if (!at || at === document.body) return undefined;
    // What shows the focus may be the element, what follows it (of a hidden radio button) or what is around it.
    const places = [at, at.nextElementSibling, at.parentElement, at.parentElement?.parentElement].filter(Boolean);
    const look = () => places.map((e) => ["outlineStyle", "outlineWidth", "outlineColor", "borderColor", "boxShadow", "backgroundColor"].map((p) => getComputedStyle(e)[p]).join()).join("\n");
    const settled = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    await Promise.allSettled(document.getAnimations().map((a) => a.finished));
    await settled();
    const box = at.getBoundingClientRect();
    const on = look();
    const name = (at.getAttribute("aria-label") || at.textContent || at.labels?.[0]?.textContent || "").slice(0, 60);
    const path = [at, at.closest("[aria-label]")].map((e) => (e ? `${e.tagName.toLowerCase()}.${e.className?.baseVal ?? e.className} ${e.getAttribute("aria-label") ?? ""} ${e.getAttribute("href") ?? ""}` : "")).join(" in ");
    at.blur();
    await settled();
    const visible = look() !== on;
    at.focus({ preventScroll: true });
    return { name, path, visible, inSight: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth };
  });
}

/** walk presses Tab until each of wanted has had the focus, in this order. */
async function walk(page, wanted, most = 90) {
  const left = [...wanted];
  const seen = [];
  for (let i = 0; i < most && left.length > 0; i++) {
    await page.keyboard.press("Tab");
    const at = await focused(page);
    if (!at) continue;
    seen.push(at.name);
    if (!at.visible) throw new Error(`nobody sees that ${at.path} (${at.name}) has the focus`);
    if (!at.inSight && !at.path.includes("skip")) throw new Error(`${at.path} (${at.name}) has the focus outside of what is shown`);
    if (left[0].test(`${at.path} ${at.name}`)) left.shift();
  }
  if (left.length > 0) throw new Error(`Tab did not reach ${left[0]}, it went over: ${seen.join(" | ")}`);
}

const shell = [/Skip to the content/, /brand/, /nav-link/];

export async function traces({ box, browser }) {
  await visit(browser, `${box.base}/`, wide, "keys-traces", '[role=row][href^="/trace/"]', async (page) => {
    await walk(page, [...shell, /Last 15/, /Condition/, /Slowest 1/, /p50 p95 p99/, /View/, /Live/, /facet-name/, /Order/, /table-row/]);
    const first = await page.evaluate(() => document.activeElement.dataset.index);
    equal(first, "0", "the row that Tab reaches");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("End");
    await page.waitForFunction(() => Number(document.activeElement.dataset.index) > 50);
    await page.keyboard.press("Home");
    await page.waitForFunction(() => document.activeElement.dataset.index === "0");
    equal((await focused(page)).visible, true, "the row is seen to have the focus");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".waterfall-rows");
    equal(new URL(page.url()).pathname.startsWith("/trace/"), true, "Enter opens the trace");
    await page.goBack();
    await page.waitForSelector(".scatter-lines path");
    await page.keyboard.press("p");
    await page.waitForSelector(".scatter-lines", { state: "detached" });
    equal(new URL(page.url()).searchParams.get("lines"), "off", "the lines in the address");
    await page.locator(".facet-name").nth(1).focus();
    for (const key of ["ArrowDown", "ArrowDown", "ArrowRight"]) await page.keyboard.press(key);
    equal((await focused(page)).name.startsWith("Without"), true, "arrows lead from an attribute to its values");
    await page.keyboard.press("v");
    await page.keyboard.press("p");
    await page.waitForSelector(".scatter-lines path");
    equal(new URL(page.url()).searchParams.get("view"), "heatmap", "the view");
  });
}

export async function trace({ box, browser }) {
  await visit(browser, `${box.base}/trace/${slowTrace}`, wide, "keys-trace", ".bar[data-hot]", async (page) => {
    await walk(page, [/OTLP JSON/, /View|Waterfall/, /Find in this trace/, /waterfall-rows/]);
    await page.keyboard.press("ArrowDown");
    await page.waitForSelector(".span-panel >> text=guestbook.insert");
    const active = await page.evaluate(() => document.getElementById(document.activeElement.getAttribute("aria-activedescendant"))?.getAttribute("aria-selected"));
    equal(active, "true", "the row that a screen reader is told of");
    await page.keyboard.press("ArrowLeft");
    await page.waitForSelector(".span-head h2 >> text=POST /api/messages");
    await page.keyboard.press("ArrowLeft");
    await page.waitForSelector('[role=treeitem][aria-selected=true][aria-expanded="false"]');
    await page.keyboard.press("ArrowRight");
    await page.waitForSelector('[role=treeitem][aria-selected=true][aria-expanded="true"]');
    await page.keyboard.press("Escape");
    await page.waitForSelector(".span-panel", { state: "detached" });
  });
}

export async function services({ box, browser }) {
  await visit(browser, `${box.base}/services`, wide, "keys-services", '[role=row][href^="/services/"]', async (page) => {
    await walk(page, [...shell, /Show as/, /table-sort/, /table-row/]);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=Operations");
    await walk(page, [/table-row/]);
  });
}

export async function metrics({ box, browser }) {
  await visit(browser, `${box.base}/explore?e=${encodeURIComponent("vector(1)")}`, wide, "keys-metrics", "[role=table][aria-label=Series] [role=row]", async (page) => {
    await page.waitForSelector(".cm-content");
    await walk(page, [...shell, /Find a metric/, /cm-content/], 60);
    // Tab leaves the editor, or it would be a trap.
    await walk(page, [/Write PromQL/, /line/], 20);
  });
}

export async function logs({ box, browser }) {
  await visit(browser, `${box.base}/logs`, wide, "keys-logs", ".log-row", async (page) => {
    await walk(page, [...shell, /Condition/, /legend-item/, /facet-name/, /View/, /Live/, /log-row/]);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".log-detail");
    await walk(page, [/Open its trace/], 20);
    await page.keyboard.press("Escape");
    await page.waitForSelector(".log-detail", { state: "detached" });
  });
}

export async function pipelines({ box, browser }) {
  await visit(browser, `${box.base}/pipelines`, wide, "keys-pipelines", '[role=table][aria-label="Components"] [role=row]', async (page) => {
    await walk(page, [...shell, /Components/]);
    await page.keyboard.press("?");
    await page.waitForSelector("[role=dialog] >> text=Every view is its address");
    await page.keyboard.press("Escape");
    await page.waitForSelector("[role=dialog]", { state: "detached" });
    await page.keyboard.press("g");
    await page.keyboard.press("l");
    await until(() => new URL(page.url()).pathname === "/logs", () => "g l did not lead to the logs");
  });
}

export async function instrumentation({ browser }) {
  await withOperator(async ({ box }) => {
    await visit(browser, `${box.base}/instrumentation`, wide, "keys-instrumentation", '[role=row][href^="/instrumentation/"]', async (page) => {
      await walk(page, [...shell, /injected-chip/, /Namespace/, /Reason/, /table-sort/, /table-row/]);
      await page.keyboard.press("Enter");
      await page.waitForSelector("text=What to change");
      await walk(page, [/Copy: the command/]);
      await page.keyboard.press("g");
      await page.keyboard.press("i");
      await until(() => new URL(page.url()).pathname === "/instrumentation", () => "g i did not lead to the instrumentation");
    });
  });
}
