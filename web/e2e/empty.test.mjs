/** Every page before anything was sent, and when something is not there: each says what to do. */
import { sendGuestbook } from "./guestbook.mjs";
import { start, until, views, visit, visitAll } from "./harness.mjs";

const pages = [
  ["empty-traces", "/", "text=Send your first trace"],
  ["empty-services", "/services", "text=No services in this time"],
  ["empty-map", "/services?view=map", "text=No services in this time"],
  ["empty-service", "/services/nobody", "text=No spans of this service in this time"],
  ["empty-metrics", "/explore", "text=Send your first metric"],
  ["empty-logs", "/logs", "text=Send your first log record"],
  ["empty-patterns", "/logs?view=patterns", "text=Send your first log record"],
  ["empty-live", "/logs?live=1", "text=Waiting for records"],
  ["empty-pipelines", "/pipelines", '[role=table][aria-label="Components"] [role=row][aria-rowindex="2"]'],
  ["missing-trace", `/trace/${"f".repeat(32)}`, "[role=alert]", [404]],
  ["wrong-traces", "/?q=status+%3D", "text=The condition is not complete", [400]],
  ["wrong-logs", "/logs?q=severity+%3E%3D", "[role=alert]", [400]],
];

export async function everyEmptyPage({ browser }) {
  const box = await start();
  try {
    // The collector's own numbers come within 15 s; until then there are no metrics at all.
    await until(async () => (await (await fetch(`${box.base}/api/v1/label/__name__/values`)).json()).data.length > 0, () => "the collector did not count itself");
    await visitAll(browser, box, pages);
  } finally {
    await box.stop();
  }
}

/** whatArrivedIsCounted shows a refusal where the first trace is waited for. */
export async function whatArrivedIsCounted({ browser }) {
  const box = await start();
  try {
    await visit(browser, `${box.base}/logs`, views[0], "empty-counted", '.receivers >> text="otlp"', async (page) => {
      await page.waitForSelector(".receivers td.num >> text=/^0$/");
      await sendGuestbook(box, { n: 3 });
      // They do not wait for the counters: the records themselves are here.
      await page.waitForSelector(".log-row", { timeout: 20_000 });
    });
  } finally {
    await box.stop();
  }
}
