import "@mantine/core/styles.css";
import "./app/app.css";
import { QueryClient } from "@tanstack/react-query";
import { ApiError, questionOf } from "./api/client";
import { find } from "./pages";
import { rangeAtFirst } from "./time/TimeContext";
import { location } from "./url/router";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      // What the server refused it refuses again; what did not reach it may.
      retry: (failures, error) => failures < 2 && error instanceof ApiError && (error.status === 0 || error.status === 503),
      retryDelay: 1000,
    },
  },
});

// What the page needs first is asked, and its scripts are fetched, before there
// is a page: this script is small, so that it does not wait for the others.
const { path, params } = location();
const found = find(path);
const ask = found?.page.first?.(params, found.rest, rangeAtFirst(params));
if (ask) void client.prefetchQuery(questionOf(ask));
const scripts = found?.page.load().catch(() => undefined); // what cannot be loaded is the error boundary's

// Once React has shown that a page's scripts are loading, it shows that for 300 ms
// at least. So it begins when they are there, unless they take long.
const patience = new Promise((resolve) => setTimeout(resolve, 250));
const [{ render }] = await Promise.all([import("./app/render"), Promise.race([scripts, patience])]);
render(client);
