/** Every page, in both widths and both colour schemes. */
import { slowTrace, traceId } from "./guestbook.mjs";
import { visitAll } from "./harness.mjs";

const pages = [
  ["traces", "/", '[role=row][href^="/trace/"]'],
  ["traces-heatmap", "/?view=heatmap", '[role=row][href^="/trace/"]'],
  ["traces-error", "/?q=status+%3D+error", '[role=row][href^="/trace/"]'],
  ["trace", `/trace/${slowTrace}`, "text=guestbook.insert"],
  ["services", "/services", '[role=row][href^="/services/"]'],
  ["service", "/services/backend", '[role=table][aria-label="Calls"] [role=row][href]'],
  ["pipelines", "/pipelines", '[role=table][aria-label="Components"] [role=row][aria-rowindex="2"]'],
  ["service-map", "/services?view=map", '[role=table][aria-label="Calls"] [role=row][href]'],
  ["logs", "/logs", ".log-row"],
  ["trace-span", `/trace/${slowTrace}?span=0000000000000007`, "text=Slower than"],
  ["trace-flame", `/trace/${slowTrace}?view=flame`, ".frame"],
  ["trace-statistics", `/trace/${slowTrace}?view=statistics`, "text=Critical path"],
  ["traces-nothing", "/?q=name+%3D+nothing", "text=Nothing matches in this time"],
  ["trace-choose", `/trace/${slowTrace}?view=compare`, "text=a typical one"],
  ["trace-compare", `/trace/${slowTrace}?view=compare&with=${traceId(7)}`, "text=Difference"],
];

/** selected is the address of the slowest tenth: what differs is shown beside the list. */
async function selected(box) {
  const { traces } = await (await fetch(`${box.base}/api/signalbox/v1/traces?order=slowest&limit=40&spans=1&q=${encodeURIComponent("span:parentID = nil")}`)).json();
  const low = Math.min(...traces.map((t) => t.durationNanos));
  const now = Date.now();
  return `/?sel=${now - 900_000}~${now}~${low}~10000000000`;
}

export async function everyPage({ box, browser }) {
  await visitAll(browser, box, [...pages, ["traces-selected", await selected(box), ".difference-value"]]);
}
