import "@mantine/core/styles.css";
import "./app/app.css";
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError, questionOf } from "./api/client";
import { Shell } from "./app/Shell";
import { theme } from "./app/theme";
import { find } from "./pages";
import { rangeAtFirst, TimeProvider } from "./time/TimeContext";
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

// What the page needs first is on its way before there is a page.
const { path, params } = location();
const found = find(path);
void found?.page.load();
const ask = found?.page.first?.(params, found.rest, rangeAtFirst(params));
if (ask) void client.prefetchQuery(questionOf(ask));

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto">
        <QueryClientProvider client={client}>
          <TimeProvider>
            <Shell />
          </TimeProvider>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
