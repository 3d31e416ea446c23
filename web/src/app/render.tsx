/** What shows the page: the heavy part, which is loaded while the first answer is on its way. */
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { questionOf } from "../api/client";
import { ApiError, type Ask } from "../api/request";
import { find } from "../pages";
import { TimeProvider } from "../time/TimeContext";
import { Shell } from "./Shell";
import { theme } from "./theme";

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

/** render shows the page; first is what was asked for it already. */
export async function render(first: Ask | undefined) {
  if (first) void client.prefetchQuery(questionOf(first));
  // Once React has shown that a page's scripts are loading, it shows that for 300 ms
  // at least. So it begins when they are there, unless they take long.
  const scripts = find(window.location.pathname)?.page.load().catch(() => undefined);
  await Promise.race([scripts, new Promise((resolve) => setTimeout(resolve, 250))]);
  if (document.readyState === "loading") await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
  const root = document.getElementById("root");
  if (!root) return;
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
