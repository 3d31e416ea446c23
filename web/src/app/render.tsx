/** What shows the page: the heavy part, which is loaded while the first answer is on its way. */
import { MantineProvider } from "@mantine/core";
import { QueryClientProvider, type QueryClient } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { TimeProvider } from "../time/TimeContext";
import { Shell } from "./Shell";
import { theme } from "./theme";

/** render shows the page, which asks through client. */
export function render(client: QueryClient) {
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
