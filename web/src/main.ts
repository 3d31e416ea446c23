/**
 * Where the page begins. This script and what it imports are small and wait for
 * nothing, not for the style sheets either: it asks what the page shows first and
 * has the scripts fetched that will show it, all at the same time.
 */
import "./app/mantine.css";
import "./app/app.css";
import { askEarly } from "./api/request";
import { applyScheme } from "./app/scheme";
import { findRoute } from "./pages/routes";
import { rangeAtFirst } from "./time/opened";

const found = findRoute(window.location.pathname);
const params = new URLSearchParams(window.location.search);
const ask = found?.route.first?.(params, found.rest, rangeAtFirst(params));
if (ask) askEarly(ask);
void found?.route.load().catch(() => undefined); // what cannot be loaded is the error boundary's
const heavy = import("./app/render");
applyScheme(); // reading what a browser keeps takes some milliseconds: now there is time
const { render } = await heavy;
await render(ask);
