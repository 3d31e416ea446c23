/**
 * The list of pages. A page is a folder here; what the list has is what the
 * navigation shows.
 */
import { createElement, lazy, useState, type ComponentType } from "react";
import { IconInstrumentation, IconLoad, IconLogs, IconMetrics, IconPipelines, IconServices, IconTraces } from "../ui/icons";
import * as routing from "./routes";
import { findRoute, names, routes, type PageProps, type Route, type RouteName } from "./routes";

export { has, type PageProps } from "./routes";

/** Look is what the navigation shows of a page. */
interface Look {
  title: string;
  /** nav puts it into the navigation, with the key that follows g, and a short title for phones. */
  nav?: { key: string; icon: ComponentType<{ size?: number }>; short?: string };
  /** timeless pages have no use for the time range. */
  timeless?: boolean;
}

/** Page is one page. */
export interface Page extends Route, Look {
  component: ComponentType<PageProps>;
}

/**
 * lazyPage is a page whose scripts are loaded when it is shown. Where load has
 * fetched them, it is there in the first rendering: a lazy component would show
 * that it loads, and React leaves that for 300 ms at least.
 */
function lazyPage(fetch: Route["load"]): Pick<Page, "component" | "load"> {
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

const looks: Record<RouteName, Look> = {
  traces: { title: "Traces", nav: { key: "t", icon: IconTraces } },
  trace: { title: "Trace" },
  services: { title: "Services", nav: { key: "s", icon: IconServices } },
  service: { title: "Service" },
  metrics: { title: "Metrics", nav: { key: "m", icon: IconMetrics } },
  logs: { title: "Logs", nav: { key: "l", icon: IconLogs } },
  pipelines: { title: "Pipelines", nav: { key: "p", icon: IconPipelines } },
  instrumentation: { title: "Instrumentation", timeless: true, nav: { key: "i", icon: IconInstrumentation, short: "Agents" } },
  workload: { title: "Workload", timeless: true },
  load: { title: "Load", timeless: true, nav: { key: "u", icon: IconLoad } },
};

const byName = Object.fromEntries(names.map((name) => [name, { ...routes[name], ...looks[name], ...lazyPage(routes[name].load) }])) as Record<RouteName, Page>;

/** pages are all of them, in the order of the navigation. */
export const pages: Page[] = Object.values(byName);

/** home is the first page that there are answers for. */
export const home: Page = byName[routing.home];

/** find gives the page at path. */
export function find(path: string): { page: Page; rest: string } | undefined {
  const found = findRoute(path);
  return found && { page: byName[found.name], rest: found.rest };
}
