/**
 * Runs the browser tests: every *.test.mjs here, or those whose names contain an
 * argument. Each exports run({ box, browser }).
 */
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { sendGuestbook } from "./guestbook.mjs";
import { launch, start } from "./harness.mjs";

const wanted = process.argv.slice(2);
const files = readdirSync(dirname(fileURLToPath(import.meta.url)))
  .filter((f) => f.endsWith(".test.mjs") && (wanted.length === 0 || wanted.some((w) => f.includes(w))))
  .sort();
let failed = 0;
const browser = await launch();
const box = await start();
try {
  await sendGuestbook(box);
  for (const file of files) {
    const tests = await import(`./${file}`);
    for (const [name, test] of Object.entries(tests)) {
      const begun = Date.now();
      try {
        await test({ box, browser });
        console.log(`ok    ${file} ${name} (${Date.now() - begun} ms)`);
      } catch (e) {
        failed++;
        console.error(`FAIL  ${file} ${name}\n${e.stack ?? e}`);
      }
    }
  }
} finally {
  await browser.close();
  await box.stop();
}
if (failed > 0) process.exit(1);
