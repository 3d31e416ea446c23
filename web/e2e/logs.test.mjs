/** Logs: search, values, patterns, context, live tail, hostile text. */
import { traceId } from "./guestbook.mjs";
import { equal, send, until, views, visit } from "./harness.mjs";

const view = views[0];
const row = ".log-row";
const text = (key, value) => ({ key, value: { stringValue: value } });

/** sendLog sends one record that is from now. */
async function sendLog(box, service, body, more = {}) {
  await send(box, "logs", {
    resourceLogs: [
      {
        resource: { attributes: [text("service.name", service), text("k8s.pod.name", `${service}-1`)] },
        scopeLogs: [{ logRecords: [{ timeUnixNano: String(BigInt(Date.now()) * 1000000n), severityNumber: 9, body, ...more }] }],
      },
    ],
  });
}

const bodies = (page) => page.locator(".log-text").allInnerTexts();

export async function findByWordAndLevel({ box, browser }) {
  await visit(browser, `${box.base}/logs`, view, "logs-find", row, async (page) => {
    await page.keyboard.press("/");
    await page.keyboard.type("gave up severity >= error");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => [...document.querySelectorAll(".log-text")].every((e) => e.textContent.includes("gave up")));
    const href = await page.evaluate(() => location.search);
    if (!/severity/.test(href)) throw new Error(`the condition is not in the address: ${href}`);
    await page.locator(row).first().click();
    await page.waitForSelector("text=Open its trace");
    const link = await page.locator("a", { hasText: "Open its trace" }).getAttribute("href");
    if (!/^\/trace\/[0-9a-f]{32}\?span=/.test(link)) throw new Error(`no link to the trace: ${link}`);
  });
}

export async function keyboardOpensARecord({ box, browser }) {
  await visit(browser, `${box.base}/logs`, view, "logs-open", row, async (page) => {
    for (const key of ["j", "j", "Enter"]) await page.keyboard.press(key);
    await page.waitForSelector(".log-detail");
    const url = page.url();
    const other = await page.context().newPage();
    await other.goto(url);
    await other.waitForSelector(".log-detail");
    await other.close();
  });
}

export async function patternsAndBack({ box, browser }) {
  for (const v of views) {
    await visit(browser, `${box.base}/logs?view=patterns`, v, "logs-patterns", ".pattern", async (page) => {
      if (v !== view) return;
      const pattern = page.locator(".pattern", { hasText: "insert gave up" });
      const count = await pattern.locator(".pattern-count").innerText();
      await pattern.click();
      await page.waitForSelector(row);
      await page.waitForSelector(`.log-foot:has-text("${count} record")`);
      const found = await bodies(page);
      equal(found.filter((b) => !b.startsWith("insert gave up")), [], "other records");
    });
  }
}

export async function beforeAndAfter({ box, browser }) {
  for (const v of views) {
    await visit(browser, `${box.base}/logs?q=build+trace:id+%3D+${traceId(0)}+||+"takes+long"`, v, "logs-context", row, async (page) => {
      await page.locator(row).first().click();
      await page.locator("text=Before and after").first().click();
      await page.waitForSelector("[data-marked]");
      const marked = await page.locator("[data-marked] .log-text").allInnerTexts();
      equal(marked.length > 0, true, "the record stands out");
      equal((await bodies(page)).length > 5, true, "records around it");
    });
  }
}

export async function liveTailShowsANewRecord({ box, browser }) {
  for (const v of views) {
    await visit(browser, `${box.base}/logs?live=1`, v, "logs-live", "text=following", async (page) => {
      await sendLog(box, "tailed", { stringValue: "brand new record" });
      await page.waitForSelector('.log-text:has-text("brand new record")');
      await page.keyboard.press("p");
      await page.waitForSelector("text=paused");
      await sendLog(box, "tailed", { stringValue: "while paused" });
      await page.waitForSelector("text=1 new record since the pause");
      equal((await bodies(page)).some((b) => b === "while paused"), false, "shown while paused");
      await page.keyboard.press("p");
      await page.waitForSelector('.log-text:has-text("while paused")');
    });
  }
}

export async function hostileText({ box, browser }) {
  const values = ["<img src=x onerror=document.title='owned'><script>1</script>", "\u202eright to left نص عربي", "😀👩‍👩‍👧", "x".repeat(1_000_000), '{"a": [1, "<b>"]}', "NaN"];
  for (const value of values) await sendLog(box, "hostile", { stringValue: value }, { attributes: [text("<b>key</b>\u202e", value)] });
  await sendLog(box, "hostile", { kvlistValue: { values: [{ key: "message", value: { stringValue: "structured" } }, { key: "n", value: { doubleValue: "NaN" } }] } });
  await until(async () => (await (await fetch(`${box.base}/api/signalbox/v1/logs?q=resource.service.name+%3D+hostile`)).json()).logs.length === values.length + 1);
  for (const v of views) {
    await visit(browser, `${box.base}/logs?q=resource.service.name+%3D+hostile`, v, "logs-hostile", row, async (page) => {
      await page.waitForSelector(`text=${values.length + 1} records, that is all`);
      const n = await page.locator(row).count();
      for (let i = 0; i < n; i++) {
        await page.locator(row).nth(i).press("Enter");
        await page.waitForSelector(".log-detail");
        await page.locator(row).nth(i).press("Enter");
      }
      await page.locator(row).nth(1).press("Enter");
      equal(await page.title(), "Logs · Signalbox", "title");
      equal(await page.locator(".log-list b, .log-list img").count(), 0, "markup from a value");
    });
  }
}

export async function nothingFound({ box, browser }) {
  await visit(browser, `${box.base}/logs?q=severity+%3D+fatal`, view, "logs-none", "text=No log record matches in this time");
}
