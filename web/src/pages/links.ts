/** Links to the pages that show what belongs to a service. */
import { pages } from ".";
import { and, equal, quote } from "../condition/edit";
import { type TimeRange } from "../time/range";
import { hrefOf } from "../url/router";

/** ofService is the condition for what a service sent. */
export function ofService(service: string): string {
  return equal("resource.service.name", quote(service));
}

/** tracesOf leads to traces with a service's spans, or those of one operation. */
export function tracesOf(service: string, more: { operation?: string; kind?: string; failed?: boolean } = {}): string {
  const parts = [ofService(service)];
  if (more.operation !== undefined) parts.push(equal("name", quote(more.operation)));
  if (more.kind) parts.push(equal("kind", more.kind));
  if (more.failed) parts.push(equal("status", "error"));
  return hrefOf("/traces", { q: and(...parts) });
}

/** logsOf leads to what a service logged, around a time when there is one. */
export function logsOf(service: string, at?: TimeRange): string | undefined {
  return linkTo("Logs", { q: ofService(service), ...at });
}

/** metricsOf leads to the metrics that a service sent, around a time when there is one. */
export function metricsOf(service: string, at?: TimeRange): string | undefined {
  return linkTo("Metrics", { search: service, ...at });
}

/** serviceHref leads to a service. */
export function serviceHref(service: string, at?: TimeRange): string {
  return service === "" ? tracesOf("") : hrefOf(`/services/${encodeURIComponent(service)}`, { ...at });
}

function linkTo(title: string, params: Record<string, string>): string | undefined {
  const page = pages.find((p) => p.title === title);
  return page && hrefOf(page.path, params);
}
