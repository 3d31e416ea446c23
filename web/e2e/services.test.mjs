/** Services: the table, one service, the map. */
import { equal, visit, views } from "./harness.mjs";

const [wide, , narrow] = views;

/** fromTableToTraces opens a service and then the traces of one of its operations. */
export async function fromTableToTraces({ box, browser }) {
  await visit(browser, `${box.base}/services`, wide, "services-click", '[role=row][href="/services/frontend"]', async (page) => {
    const first = page.locator("[role=table] [role=row][href]").first();
    equal((await first.textContent()).startsWith("frontend"), true, "the frontend has the most impact");
    await first.click();
    await page.locator('[role=row][href*="POST"]').first().click();
    await page.waitForSelector('[role=row][href^="/trace/"]');
    equal(new URL(page.url()).searchParams.get("q"), 'resource.service.name = "frontend" && name = "POST /messages" && kind = server', "the condition of the traces");
  });
}

/** sortByKeyboard sorts with the column heads; the address has it. */
export async function sortByKeyboard({ box, browser }) {
  await visit(browser, `${box.base}/services/frontend`, wide, "services-sort", "[role=columnheader] >> text=Operation", async (page) => {
    await page.locator("[role=columnheader] button >> text=Operation").focus();
    await page.keyboard.press("Enter");
    equal(await page.locator("[role=columnheader][aria-sort]").getAttribute("aria-sort"), "ascending", "names from A");
    equal(new URL(page.url()).searchParams.get("sort"), "name", "the address");
  });
}

/** mapByKeyboard reaches a service on the map with Tab, and the database is marked as one. */
export async function mapByKeyboard({ box, browser }) {
  await visit(browser, `${box.base}/services?view=map`, wide, "services-keys", ".map-node", async (page) => {
    equal(await page.locator('.map-node[data-type="database"]').textContent(), "mongodbdatabase", "the database");
    for (let i = 0; i < 30 && !(await page.evaluate(() => document.activeElement?.matches("a.map-node"))); i++) await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=Operations");
    equal(new URL(page.url()).pathname.startsWith("/services/"), true, "Enter opens the service");
  });
}

/** mapAsTable has the calls as a table, which is all of it on narrow screens. */
export async function mapAsTable({ box, browser }) {
  await visit(browser, `${box.base}/services?view=map`, narrow, "services-calls", '[role=table][aria-label="Calls"] [role=row][href]', async (page) => {
    equal(await page.locator(".graph").count(), 0, "pictures");
    equal(await page.locator('[aria-label="Calls"] [role=row][href]').count(), 2, "calls");
  });
}
