/**
 * The list of pages. A page is a folder here; what the list has is what the
 * navigation shows. Paths are in routes.json too, which tells the server for
 * which paths to answer with this page.
 */
import { createElement, lazy, useState, type ComponentType } from "react";
import { type Ask } from "../api/client";
import { IconLoad, IconLogs, IconMetrics, IconPipelines, IconServices, IconTraces } from "../ui/icons";
import { askDots, askTrace } from "./first";

/**
 * Part is what a page is about: "data" that a store has, or the "load" that the
 * server makes.
 */
export type Part = "data" | "load";

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
  part: Part;
  /** timeless pages have no use for the time range. */
  timeless?: boolean;
  component: ComponentType<PageProps>;
  /** load fetches the page's scripts before they are needed. */
  load(): Promise<unknown>;
  /** first is what the page asks first, at these params and this range. */
  first?(params: URLSearchParams, rest: string, range: { start: string; end: string }): Ask;
}

/**
 * lazyPage is a page whose scripts are loaded when it is shown. Where load has
 * fetched them, it is there in the first rendering: a lazy component would show
 * that it loads, and React leaves that for 300 ms at least.
 */
function lazyPage(fetch: () => Promise<{ default: ComponentType<PageProps> }>): Pick<Page, "component" | "load"> {
  let loaded: ComponentType<PageProps> | undefined;
  const load = async () => {
    const module = await fetch();
    loaded = module.default;
    return module;
  };
  const later = lazy(load);
  function LazyPage(props: PageProps) {
    const [component] = useState(() => loaded ?? later);
    return createElement(component, props);
  }
  return { component: LazyPage, load };
}

export const pages: Page[] = [
  { title: "Traces", path: "/traces", part: "data", nav: { key: "t", icon: IconTraces }, ...lazyPage(() => import("./traces/TracesPage")), first: (params, _, range) => askDots(range, params.get("q") ?? "") },
  { title: "Trace", path: "/trace/*", part: "data", ...lazyPage(() => import("./trace/TracePage")), first: (_, rest) => askTrace(rest) },
  { title: "Services", path: "/services", part: "data", nav: { key: "s", icon: IconServices }, ...lazyPage(() => import("./services/ServicesPage")) },
  { title: "Service", path: "/services/*", part: "data", ...lazyPage(() => import("./services/ServicePage")) },
  { title: "Metrics", path: "/explore", part: "data", nav: { key: "m", icon: IconMetrics }, ...lazyPage(() => import("./metrics/MetricsPage")) },
  { title: "Logs", path: "/logs", part: "data", nav: { key: "l", icon: IconLogs }, ...lazyPage(() => import("./logs/LogsPage")) },
  { title: "Pipelines", path: "/pipelines", part: "data", nav: { key: "p", icon: IconPipelines }, ...lazyPage(() => import("./pipelines/PipelinesPage")) },
  { title: "Load", path: "/load", part: "load", timeless: true, nav: { key: "u", icon: IconLoad }, ...lazyPage(() => import("./load/LoadPage")) },
];

/** said is what the server says that it has answers for; nothing when Vite serves the page. */
const said = document.documentElement.dataset["parts"];

/** has says that the server has answers for a part. */
export function has(part: Part): boolean {
  return said === undefined || said.split(" ").includes(part);
}

/** home is the first page that there are answers for. */
export const home: Page = pages.find((p) => has(p.part)) ?? pages[0]!;

/** find gives the page at path. */
export function find(path: string): { page: Page; rest: string } | undefined {
  const at = path === "/" ? home.path : path.replace(/(.)\/$/, "$1");
  for (const page of pages) {
    if (page.part === "data" && !has("data")) continue; // nothing to show; the load's page says how to make one
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
