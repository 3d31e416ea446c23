/**
 * The list of pages. A page is a folder here; what the list has is what the
 * navigation shows. Paths are in routes.json too, which tells the server for
 * which paths to answer with this page.
 */
import { lazy, type ComponentType, type LazyExoticComponent } from "react";
import { type Ask } from "../api/client";
import { IconLogs, IconMetrics, IconPipelines, IconServices, IconTraces } from "../ui/icons";
import { askDots, askTrace } from "./first";

/** PageProps are what a page is given: what stands for * in its path. */
export interface PageProps {
  rest: string;
}

/** Page is one page. */
export interface Page {
  title: string;
  /** path is exact, or ends in /* for anything below it. */
  path: string;
  /** nav puts it into the navigation, with the key that follows g. */
  nav?: { key: string; icon: ComponentType<{ size?: number }> };
  component: LazyExoticComponent<ComponentType<PageProps>>;
  /** load fetches the page's scripts before they are needed. */
  load(): Promise<unknown>;
  /** first is what the page asks first, at these params and this range. */
  first?(params: URLSearchParams, rest: string, range: { start: string; end: string }): Ask;
}

function lazyPage(load: () => Promise<{ default: ComponentType<PageProps> }>): Pick<Page, "component" | "load"> {
  return { component: lazy(load), load };
}

export const pages: Page[] = [
  { title: "Traces", path: "/traces", nav: { key: "t", icon: IconTraces }, ...lazyPage(() => import("./traces/TracesPage")), first: (params, _, range) => askDots(range, params.get("q") ?? "") },
  { title: "Trace", path: "/trace/*", ...lazyPage(() => import("./trace/TracePage")), first: (_, rest) => askTrace(rest) },
  { title: "Services", path: "/services", nav: { key: "s", icon: IconServices }, ...lazyPage(() => import("./services/ServicesPage")) },
  { title: "Service", path: "/services/*", ...lazyPage(() => import("./services/ServicePage")) },
  { title: "Metrics", path: "/explore", nav: { key: "m", icon: IconMetrics }, ...lazyPage(() => import("./metrics/MetricsPage")) },
  { title: "Logs", path: "/logs", nav: { key: "l", icon: IconLogs }, ...lazyPage(() => import("./logs/LogsPage")) },
  { title: "Pipelines", path: "/pipelines", nav: { key: "p", icon: IconPipelines }, ...lazyPage(() => import("./pipelines/PipelinesPage")) },
];

/** find gives the page at path. */
export function find(path: string): { page: Page; rest: string } | undefined {
  const at = path === "/" ? "/traces" : path.replace(/(.)\/$/, "$1");
  for (const page of pages) {
    if (page.path === at) return { page, rest: "" };
    const base = page.path.slice(0, -1);
    if (page.path.endsWith("/*") && at.startsWith(base) && at.length > base.length) {
      try {
        return { page, rest: decodeURIComponent(at.slice(base.length)) };
      } catch {
        return undefined;
      }
    }
  }
  return undefined;
}
