/**
 * Opens the page on a full store and measures what is seen when: arguments are
 * the server, the start and end of the range in Unix milliseconds, and a long
 * trace. It prints figures as JSON; main.go has the columns.
 */
import { launch } from "../../web/e2e/harness.mjs";

const [base, start, end, long] = process.argv.slice(2);
const rounds = 8;
const browser = await launch();

/** watch notes, frame by frame, when what a selector names is first painted; allSeen is when all was. */
function watch(wanted) {
  window.seen = {};
  window.allSeen = new Promise((resolve) => (window.seenAll = resolve));
  const drawn = (canvas) => {
    if (!canvas || canvas.width === 0 || canvas.height === 0) return false;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 3; i < data.length; i += 4) if (data[i] > 0) return true;
    return false;
  };
  const look = () => {
    for (const [name, selector] of Object.entries(wanted)) {
      if (window.seen[name] !== undefined) continue;
      const found = document.querySelector(selector);
      if (!found || (found instanceof HTMLCanvasElement && !drawn(found))) continue;
      // What is there now is painted when the next frame begins.
      requestAnimationFrame((at) => (window.seen[name] ??= at));
    }
    if (Object.keys(wanted).every((name) => window.seen[name] !== undefined)) window.seenAll(window.seen);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

/** visit opens url in a new browser context and waits until all that is wanted was painted. */
async function visit(url, wanted, act = async () => {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  try {
    const page = await context.newPage();
    const devtools = await context.newCDPSession(page);
    // How long its thread works, not how long it waits for others on the machine.
    await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
    await page.addInitScript(watch, wanted);
    await page.goto(url, { waitUntil: "commit" });
    // Not by Playwright, which would run 20 ms of its own in the page while that loads.
    const { result } = await devtools.send("Runtime.evaluate", { expression: "allSeen", awaitPromise: true, returnByValue: true });
    const seen = result.value;
    const { metrics } = await devtools.send("Performance.getMetrics");
    seen.cpu = metrics.find((m) => m.name === "TaskDuration").value;
    return { ...seen, ...(await act(page)) };
  } finally {
    await context.close();
  }
}

/** since is how long act takes until selector is there and nothing is loading. */
async function since(page, act, selector) {
  const begun = Date.now();
  await act();
  await page.waitForSelector(selector, { timeout: 60_000 });
  return Date.now() - begun;
}

/** scroll jumps and glides through a scroller; a row must be in its middle in every frame. */
function scroll(page, scroller, row) {
  return page.evaluate(
    async ({ scroller, row }) => {
      const rows = document.querySelector(scroller);
      const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
      const out = { blank: 0, frames: 0, longest: 0 };
      const look = async (top) => {
        rows.scrollTop = top;
        const begun = performance.now();
        await frame();
        await frame();
        out.longest = Math.max(out.longest, performance.now() - begun);
        out.frames++;
        const box = rows.getBoundingClientRect();
        for (const part of [0.1, 0.5, 0.9]) {
          if (!document.elementFromPoint(box.left + 60, box.top + box.height * part)?.closest(row)) out.blank++;
        }
      };
      const length = rows.scrollHeight - rows.clientHeight;
      for (let i = 0; i < 60; i++) await look((((i * 37) % 60) * length) / 60);
      for (let i = 0; i < 120; i++) await look(Math.min(length, i * 90));
      return out;
    },
    { scroller, row },
  );
}

const traces = {
  firstDot: ".scatter canvas",
  list: '[role=row][href^="/trace/"]',
  facets: ".facet-value",
};

async function select(page) {
  const plot = await page.locator(".scatter-plot").boundingBox();
  const selected = await since(
    page,
    async () => {
      await page.mouse.move(plot.x + 5, plot.y + 2);
      await page.mouse.down();
      await page.mouse.move(plot.x + plot.width - 5, plot.y + plot.height * 0.4, { steps: 2 });
      await page.mouse.up();
    },
    ".differences .difference-value",
  );
  const heatmap = await since(
    page,
    async () => {
      await page.keyboard.press("Escape");
      await page.click("text=Heatmap");
    },
    ".scatter canvas",
  );
  return { selected, heatmap };
}

const runs = { traces: [], trace: [] };
for (let i = 0; i < rounds; i++) {
  runs.traces.push(await visit(`${base}/?from=${start}&to=${end}`, traces, select));
  runs.trace.push(
    await visit(`${base}/trace/${long}`, { rows: ".waterfall-row .bar" }, async (page) => ({ scrolled: await scroll(page, ".waterfall-rows", ".waterfall-row") })),
  );
}
await browser.close();

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
/** figure makes a line of one number of each run; the first run is the cold one. */
const figure = (what, values, goal, note = "", unit = "") => ({ What: what, First: values[0], Typical: median(values.slice(1)), Goal: goal, Note: note, Unit: unit });
const cpuNote = (visits) => `${visits.length - 1} loads; ${median(visits.map((v) => v.cpu)).toFixed(2)} CPU s of the page until all is there`;
const scrolled = runs.trace.map((r) => r.scrolled);
console.log(
  JSON.stringify([
    figure("page /: first dot", runs.traces.map((r) => r.firstDot), 300, cpuNote(runs.traces)),
    figure("page /: first row", runs.traces.map((r) => r.list), 1000),
    figure("page /: facets", runs.traces.map((r) => r.facets), 1000),
    figure("page /: what differs", runs.traces.map((r) => r.selected), 1000),
    figure("page /: to heatmap", runs.traces.map((r) => r.heatmap), 1000),
    figure("long trace: first row", runs.trace.map((r) => r.rows), 300, cpuNote(runs.trace)),
    figure("long trace: slowest frame", scrolled.map((s) => s.longest), 0, `of ${scrolled[0].frames} while scrolling`),
    figure("long trace: blank rows", scrolled.map((s) => s.blank), 0, `of ${3 * scrolled[0].frames} looked at`, "rows"),
  ]),
);
