/** Instrumentation: without an operator, and with what one told in a real run. */
import { equal, views, visit } from "./harness.mjs";
import { recorded, withOperator } from "./operator.mjs";

const rows = '[role=table][aria-label="Workloads"] [role=row][href]';

/** withoutOperator says what is missing, and how to have it. */
export async function withoutOperator({ box, browser }) {
  for (const view of views) await visit(browser, `${box.base}/instrumentation`, view, "instrumentation-none", "text=signalbox install --apply");
}

/** ofACluster lists what an operator knows, filters it by the address, and shows one workload with what to change. */
export async function ofACluster({ browser }) {
  await withOperator(async ({ box, told, away }) => {
    for (const view of views) {
      await visit(browser, `${box.base}/instrumentation`, view, "instrumentation", rows, async (page) => {
        equal(await page.locator(rows).count(), recorded.workloads.length, "one row for each workload");
        equal((await page.locator(rows).first().textContent()).includes("refused"), true, "what wants somebody to act comes first");
      });
      await visit(browser, `${box.base}/instrumentation/shop/Deployment/nowhere`, view, "instrumentation-refused", "text=metadata: {name: absent}");
      await visit(browser, `${box.base}/instrumentation/shop/Deployment/billing`, view, "instrumentation-stale", "text=kubectl rollout restart -n shop deployment/billing");
    }
    const [wide] = views;
    await visit(browser, `${box.base}/instrumentation?state=Refused`, wide, "instrumentation-filtered", rows, async (page) => {
      equal(await page.locator(rows).count(), 2, "refused workloads");
      await page.getByLabel("Reason").selectOption("NotFound");
      await page.waitForFunction((rows) => document.querySelectorAll(rows).length === 1, rows);
      equal(new URL(page.url()).search, "?state=Refused&reason=NotFound", "the filters in the address");
      await page.getByRole("button", { name: /refused/ }).click();
      equal(new URL(page.url()).search, "?reason=NotFound", "a state that is pressed again is no filter");
    });
    await visit(browser, `${box.base}/instrumentation?namespace=nothing`, wide, "instrumentation-nothing", "text=No workload is like that", async (page) => {
      await page.getByRole("button", { name: "Show all of them" }).press("Enter");
      await page.waitForSelector(rows);
    });
    await visit(browser, `${box.base}/instrumentation/shop/Deployment/unknown`, wide, "instrumentation-unknown", "text=signalbox explain deployment/unknown -n shop");

    told.answer = { ...recorded, problems: ["listing pods of namespace dark: forbidden"], workloadsLeftOut: 7 };
    await visit(browser, `${box.base}/instrumentation`, wide, "instrumentation-partial", "text=listing pods of namespace dark");
    told.answer = { ...recorded, workloads: [] };
    for (const view of views) await visit(browser, `${box.base}/instrumentation`, view, "instrumentation-empty", "text=No workload asks for anything");
    away();
    await visit(browser, `${box.base}/instrumentation`, wide, "instrumentation-away", "text=Look whether the operator runs", undefined, [502]);
  });
}
