/** Pipelines: a collector with a target that is down and an exporter that reaches nobody. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sendGuestbook } from "./guestbook.mjs";
import { equal, start, until, views, visit } from "./harness.mjs";

const config = `
receivers:
  prometheus/dead:
    config:
      scrape_configs:
        - {job_name: dead, scrape_interval: 1s, scrape_timeout: 1s, static_configs: [{targets: ["localhost:1"]}]}
exporters:
  otlp/nowhere: {endpoint: "localhost:2", tls: {insecure: true}, retry_on_failure: {enabled: false}}
service:
  pipelines:
    metrics/dead: {receivers: [prometheus/dead], exporters: [store]}
    logs/out: {receivers: [otlp], exporters: [otlp/nowhere]}
`;

/** whatGoesWrong shows parts, what passes, what is lost and why. */
export async function whatGoesWrong({ browser }) {
  const dir = mkdtempSync(join(tmpdir(), "signalbox-e2e-"));
  writeFileSync(join(dir, "config.yaml"), config);
  const box = await start(["--config", join(dir, "config.yaml")]);
  try {
    await sendGuestbook(box, { n: 30 });
    // The collector reads its own counters every 15 s.
    const counted = "otelcol_exporter_send_failed_log_records_total";
    await until(async () => (await (await fetch(`${box.base}/api/v1/query?query=${counted}`)).json()).data.result.length > 0, () => "nothing was counted", 60_000);
    for (const view of views) {
      await visit(browser, `${box.base}/pipelines`, view, "pipelines-wrong", '[aria-label="Scrape targets"] [role=row] >> text=dead', async (page) => {
        const row = (text) => page.locator("[role=row]", { hasText: text }).first();
        await row("otlp/nowhere").locator("text=not sent").waitFor();
        equal((await page.locator('[aria-label="Scrape targets"] [role=row]', { hasText: "dead" }).textContent()).includes("down"), true, "the health of the target");
        equal(await page.locator('[aria-label="Components"] [role=row]', { hasText: "span_metrics" }).count(), 2, "a connector, for both its signals");
        await page.locator("text=takes everything").waitFor();
        const loss = page.locator('[aria-label="Losses"] [role=listitem]', { hasText: "otlp/nowhere" });
        equal((await loss.textContent()).includes("records lost: nobody answers there"), true, "what was lost, and why");
        if (view.width < 500) return;
        const part = (name) => page.locator(".part", { hasText: name });
        await part("otlp/nowhere").locator("text=not sent").waitFor();
        equal(await part("span_metrics").count(), 1, "a connector is one part of the picture");
        equal(await page.locator(".part", { hasText: /^store exporter/ }).count(), 1, "so is an exporter of several pipelines");
      });
    }
  } finally {
    await box.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}
