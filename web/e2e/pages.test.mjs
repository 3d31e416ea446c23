/** Every page, in both widths and both colour schemes. */
import { slowTrace, traceId } from "./guestbook.mjs";
import { views, visit } from "./harness.mjs";

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
  ["trace-compare", `/trace/${slowTrace}?view=compare&with=${traceId(7)}`, "text=Difference"],
];

export async function everyPage({ box, browser }) {
  for (const [name, path, ready] of pages) {
    await Promise.all(views.map((view) => visit(browser, box.base + path, view, name, ready)));
  }
}
