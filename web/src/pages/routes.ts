/**
 * What leads to which page, apart from what the pages look like: this is read
 * before anything heavy is loaded. Paths are in routes.json too, which tells the
 * server for which paths to answer with this page.
 */
import type { ComponentType } from "react"; // not even the import may stay: this is loaded before React
import { type Ask } from "../api/request";
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

/** Route leads to a page. */
export interface Route {
  /** path is exact, or ends in /* for anything below it. */
  path: string;
  part: Part;
  /** load fetches the page's scripts. */
  load(): Promise<{ default: ComponentType<PageProps> }>;
  /** first is what the page asks first, at these params and this range. */
  first?(params: URLSearchParams, rest: string, range: { start: string; end: string }): Ask;
}

/** routes are those of the pages, in the order of the navigation. */
export const routes = {
  traces: { path: "/traces", part: "data", load: () => import("./traces/TracesPage"), first: (params, _, range) => askDots(range, params.get("q") ?? "") },
  trace: { path: "/trace/*", part: "data", load: () => import("./trace/TracePage"), first: (_, rest) => askTrace(rest) },
  services: { path: "/services", part: "data", load: () => import("./services/ServicesPage") },
  service: { path: "/services/*", part: "data", load: () => import("./services/ServicePage") },
  metrics: { path: "/explore", part: "data", load: () => import("./metrics/MetricsPage") },
  logs: { path: "/logs", part: "data", load: () => import("./logs/LogsPage") },
  pipelines: { path: "/pipelines", part: "data", load: () => import("./pipelines/PipelinesPage") },
  instrumentation: { path: "/instrumentation", part: "data", load: () => import("./instrumentation/InstrumentationPage") },
  workload: { path: "/instrumentation/*", part: "data", load: () => import("./instrumentation/WorkloadPage") },
  load: { path: "/load", part: "load", load: () => import("./load/LoadPage") },
} satisfies Record<string, Route>;

/** RouteName names a page among routes. */
export type RouteName = keyof typeof routes;

/** names are those of all routes, in their order. */
export const names = Object.keys(routes) as RouteName[];

/** said is what the server says that it has answers for; nothing when Vite serves the page. */
const said = document.documentElement.dataset["parts"];

/** has says that the server has answers for a part. */
export function has(part: Part): boolean {
  return said === undefined || said.split(" ").includes(part);
}

/** home is the first page that there are answers for. */
export const home: RouteName = names.find((n) => has(routes[n].part)) ?? "traces";

/** Found is where a path leads. */
export interface Found {
  name: RouteName;
  route: Route;
  rest: string;
}

/** findRoute tells which page is at path. */
export function findRoute(path: string): Found | undefined {
  const at = path === "/" ? routes[home].path : path.replace(/(.)\/$/, "$1");
  for (const name of names) {
    const route: Route = routes[name];
    if (route.part === "data" && !has("data")) continue; // nothing to show; the load's page says how to make one
    if (route.path === at) return { name, route, rest: "" };
    const base = route.path.slice(0, -1);
    if (route.path.endsWith("/*") && at.startsWith(base) && at.length > base.length) {
      try {
        return { name, route, rest: decodeURIComponent(at.slice(base.length)) };
      } catch {
        return undefined;
      }
    }
  }
  return undefined;
}
