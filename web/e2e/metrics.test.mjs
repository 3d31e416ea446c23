/** Metrics: found by what one remembers, drawn without a query, grouped by a click. */
import { sendFlask } from "./flask.mjs";
import { equal, until, views, visit } from "./harness.mjs";

const [wide] = views;
const field = "[role=combobox][aria-label='Find a metric']";
const option = "[role=option]";
const seriesRow = "[role=table][aria-label=Series] [role=row] [role=cell]:first-child";
const pressed = (page) => page.locator("[role=group][aria-label='Group by'] [aria-pressed=true]").allInnerTexts();

let sent;
/** data is sent once, by the first test that needs it. */
function data(box) {
  sent ??= sendFlask(box).then(() => until(async () => (await (await fetch(`${box.base}/api/v1/label/__name__/values`)).text()).includes("flask_http_request_total")));
  return sent;
}

const shown = (page) => page.waitForFunction((s) => document.querySelectorAll(s).length > 0, seriesRow);

/** counted counts what a person does. */
function counted(page) {
  const did = { keys: 0, clicks: 0 };
  return {
    did,
    type: async (text) => {
      for (const c of text) {
        await page.keyboard.press(c);
        did.keys++;
      }
    },
    press: async (key) => {
      await page.keyboard.press(key);
      did.keys++;
    },
    click: async (selector) => {
      await page.locator(selector).first().click();
      did.clicks++;
    },
  };
}

/** flaskByStatus is the second of the two tests that decide: 5 keys, Enter, a click. */
export async function flaskByStatus({ box, browser }) {
  await data(box);
  await visit(browser, `${box.base}/explore`, wide, "metrics-flask", option, async (page) => {
    const hand = counted(page);
    await hand.type("flask");
    await page.waitForFunction((o) => document.querySelector(o)?.textContent.startsWith("flask"), option);
    const names = await page.locator(`${option} .picker-name`).allInnerTexts();
    equal(names.slice(0, 1), ["flask_http_request_total"], "the most useful first");
    equal(names.slice(-2).sort(), ["flask_exporter_info", "flask_http_request_created"], "the least useful last");
    await hand.press("Enter");
    await shown(page);
    equal(new URL(page.url()).searchParams.get("e"), "sum(rate(flask_http_request_total[5m]))", "the query");
    await page.waitForSelector("text=status 5");
    await hand.click("[role=group][aria-label='Group by'] >> text=status");
    await page.waitForFunction((s) => document.querySelectorAll(s).length === 5, seriesRow);
    equal((await page.locator(seriesRow).allInnerTexts()).sort(), ["status=200", "status=201", "status=404", "status=415", "status=500"], "one line per status");
    equal(hand.did, { keys: 6, clicks: 1 }, "what it took");
    const other = await browser.newPage();
    await other.goto(page.url());
    await other.waitForFunction((s) => document.querySelectorAll(s).length === 5, seriesRow);
    await other.close();
    await page.locator("[role=group][aria-label='Group by'] >> text=method").click();
    await page.locator("[role=group][aria-label='Group by'] >> text=tier").click();
    await page.waitForFunction((s) => document.querySelector(s)?.textContent.includes("tier="), seriesRow);
    equal(new URL(page.url()).searchParams.get("e"), "sum by (status, method, tier) (rate(flask_http_request_total[5m]))", "the query");
    await page.goBack();
    await page.goBack();
    await page.waitForFunction((s) => !document.querySelector(s)?.textContent.includes("method="), seriesRow);
    equal((await pressed(page)).length, 1, "back works");
  });
}

/** flaskByKeyboard does the same without a pointer. */
export async function flaskByKeyboard({ box, browser }) {
  await data(box);
  await visit(browser, `${box.base}/`, wide, "metrics-keyboard", ".nav", async (page) => {
    await page.keyboard.press("g");
    await page.keyboard.press("m");
    await page.waitForSelector(option);
    await page.keyboard.type("flask http.request");
    await page.waitForFunction((o) => document.querySelector(o)?.textContent.startsWith("flask_http"), option);
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=status 5");
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate(() => document.activeElement?.textContent?.startsWith("status "))) break;
    }
    await page.keyboard.press("Enter");
    await page.waitForFunction((s) => document.querySelectorAll(s).length === 5, seriesRow);
  });
}

export async function foundByAnything({ box, browser }) {
  await data(box);
  await visit(browser, `${box.base}/explore`, wide, "metrics-find", option, async (page) => {
    for (const text of ["flask http", "http.request", "http_request", "answered status", "bookshop request", "flskreqtotal"]) {
      await page.fill(field, text);
      await page.waitForFunction(([o]) => [...document.querySelectorAll(o)].some((e) => e.textContent.includes("flask_http_request_total")), [option]);
    }
    await page.fill(field, "bookshop");
    await page.waitForFunction(([o]) => [...document.querySelectorAll(o)].some((e) => e.textContent.includes("gunicorn_workers")), [option]);
  });
}

export async function histogramWithExemplars({ box, browser }) {
  await data(box);
  for (const view of views) {
    await visit(browser, `${box.base}/explore?search=flask+duration`, view, "metrics-histogram", option, async (page) => {
      await page.waitForFunction((o) => document.querySelector(o)?.textContent.includes("flask_"), option);
      await page.locator(option, { hasText: "flask_http_request_duration_seconds" }).click();
      await page.waitForFunction((s) => document.querySelectorAll(s).length === 3, seriesRow);
      equal(await page.locator(seriesRow).allInnerTexts(), ["p50", "p95", "p99"], "the percentiles");
      const link = page.locator("[role=group][aria-label=Exemplars] a").first();
      const href = await link.getAttribute("href");
      if (!/^\/trace\/[0-9a-f]{32}/.test(href)) throw new Error(`no exemplar leads to a trace: ${href}`);
      if (view === wide) {
        await link.click();
        await page.waitForSelector("text=guestbook");
        await page.goBack();
        await shown(page);
      }
      await page.waitForSelector(".cm-content");
    });
  }
}

export async function heatmaps({ box, browser }) {
  await data(box);
  for (const [name, e] of [
    ["metrics-heatmap", "histogram_quantile(0.5, sum by (le) (rate(flask_http_request_duration_seconds_bucket[5m])))"],
    ["metrics-native", "histogram_quantile(0.5, sum(rate(flask_db_duration_seconds[5m])))"],
  ]) {
    for (const view of views) await visit(browser, `${box.base}/explore?view=heatmap&e=${encodeURIComponent(e)}`, view, name, ".heat-bounds span");
  }
}

export async function severalQueriesAndOnesByHand({ box, browser }) {
  await data(box);
  await visit(browser, `${box.base}/explore?e=gunicorn_workers`, wide, "metrics-several", seriesRow, async (page) => {
    await page.keyboard.press("/");
    await page.keyboard.type("flask total");
    await page.waitForFunction((o) => document.querySelector(o)?.textContent.startsWith("flask_http_request_total"), option);
    await page.keyboard.press("Shift+Enter");
    await page.waitForSelector("[aria-label='Query B']");
    await page.keyboard.press("e");
    await page.waitForSelector("[aria-label='Query C'] .cm-content");
    await page.locator("[aria-label='Query C'] .cm-content").click();
    await page.keyboard.type("flask_http_re");
    await page.waitForSelector(".cm-tooltip-autocomplete >> text=flask_http_request_total");
    await page.keyboard.press("Escape");
    await page.keyboard.type("quest_total * 2");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => new URL(location).searchParams.get("e")?.split("\n").length === 3);
    await page.waitForFunction((s) => document.querySelectorAll(s).length === 7, seriesRow);
  });
}

export async function aMistakeIsExplained({ box, browser }) {
  const page = await browser.newPage();
  await page.goto(`${box.base}/explore?e=${encodeURIComponent("sum(rate(x[5m])")}`);
  await page.waitForSelector("[role=alert] >> text=Query A could not be shown");
  await page.waitForSelector("text=unclosed left parenthesis");
  await page.close();
}

export async function hostileValues({ box, browser }) {
  await data(box);
  for (const view of views) {
    await visit(browser, `${box.base}/explore?e=hostile_values`, view, "metrics-hostile", seriesRow, async (page) => {
      await page.waitForSelector(".cm-content");
      equal(await page.title(), "Metrics · Signalbox", "title");
      equal(await page.locator("main img, main .card-help b").count(), 0, "markup from a value");
      await page.waitForSelector("[role=cell] >> text=NaN");
    });
  }
}

export async function nothingThere({ box, browser }) {
  await visit(browser, `${box.base}/explore?e=there_is_none`, wide, "metrics-none", "text=No data for this in this time");
}

export async function thePicker({ box, browser }) {
  await data(box);
  for (const view of views) await visit(browser, `${box.base}/explore`, view, "metrics", option);
}
