/**
 * The address bar as a store. The URL is the only place where a page keeps what
 * it shows; this module reads it, changes it and tells React about it.
 */
import { useCallback, useMemo, useSyncExternalStore } from "react";
import { decode, encode, format, type Fields, type StateOf } from "./codec";

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function changed(): void {
  for (const listener of [...listeners]) listener();
}

window.addEventListener("popstate", changed);

/** Location is where the reader is. */
export interface Location {
  path: string;
  params: URLSearchParams;
}

function current(): string {
  return window.location.pathname + window.location.search;
}

export function location(): Location {
  return { path: window.location.pathname, params: new URLSearchParams(window.location.search) };
}

export function useLocation(): Location {
  const href = useSyncExternalStore(subscribe, current);
  return useMemo(() => {
    const url = new URL(href, window.location.origin);
    return { path: url.pathname, params: url.searchParams };
  }, [href]);
}

/**
 * navigate goes to another place. With replace, the back button does not return
 * to this one: for changes that are no step of their own, as a cursor moved.
 */
export function navigate(href: string, options: { replace?: boolean } = {}): void {
  if (href === current()) return;
  const samePath = new URL(href, window.location.origin).pathname === window.location.pathname;
  window.history[options.replace ? "replaceState" : "pushState"](null, "", href);
  if (!options.replace && !samePath) window.scrollTo(0, 0);
  changed();
}

/** shared are the params that stay when the reader goes from page to page. */
const shared = ["from", "to", "refresh"];

/**
 * hrefOf gives a link to path of this page that keeps the time range. Params
 * that are undefined or empty are left out.
 */
export function hrefOf(path: string, params: Record<string, string | undefined> = {}, at: Location = location()): string {
  const out = new URLSearchParams();
  for (const name of shared) {
    const value = at.params.get(name);
    if (value !== null) out.set(name, value);
  }
  for (const [name, value] of Object.entries(params)) {
    if (value) out.set(name, value);
    else out.delete(name);
  }
  return path + format(out);
}

/** useUrlState is a page's state and how to change it. */
export function useUrlState<F extends Fields>(
  fields: F,
): [StateOf<F>, (patch: Partial<StateOf<F>>, options?: { replace?: boolean }) => void] {
  const { params } = useLocation();
  const state = useMemo(() => decode(fields, params), [fields, params]);
  const set = useCallback(
    (patch: Partial<StateOf<F>>, options: { replace?: boolean } = {}) => {
      const at = location();
      navigate(at.path + format(encode(fields, at.params, patch)), options);
    },
    [fields],
  );
  return [state, set];
}
