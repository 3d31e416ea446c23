import react from "@vitejs/plugin-react";
import { type Plugin } from "vite";
import { defineConfig } from "vitest/config";

// `npm run dev` serves the sources and takes data from a running Signalbox.
const server = process.env["SIGNALBOX"] ?? "http://localhost:4316";

/**
 * Which modules share a file. What the page begins with is one small file, and what
 * every page needs another: thirty take the browser longer to ask for than to read.
 */
const files = [
  { name: "first", test: /\/src\/(api\/request|app\/scheme|pages\/(first|routes)|time\/(opened|range)|url\/codec)\.ts$|preload-helper/ },
  { name: "core", test: /\/node_modules\/(react|react-[a-z-]+|use-[a-z-]+|get-nonce|detect-node-es|tslib|scheduler|clsx|tabbable|@mantine|@tanstack|@floating-ui)\/.*js$|\/src\/((app|condition|time|url)\/|api\/client|pages\/(index|links)|ui\/(?!Graph|HowToSend|Receivers|TimeChart|layout)).*\.tsx?$/ },
];

/** preloadCore has the browser fetch that file while it reads the page, before any script asks for it. */
const preloadCore: Plugin = {
  name: "preload-core",
  transformIndexHtml: {
    order: "post",
    handler: (_, { bundle }) => {
      const chunk = Object.values(bundle ?? {}).find((c) => c.type === "chunk" && c.name === "core");
      return chunk && [{ tag: "link", attrs: { rel: "modulepreload", crossorigin: true, href: `/${chunk.fileName}` }, injectTo: "head" }];
    },
  },
};

export default defineConfig({
  plugins: [react(), preloadCore],
  build: {
    target: "es2023",
    assetsDir: "assets",
    sourcemap: false,
    // Files are served with a content security policy that allows no data: scripts or fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1000,
    rolldownOptions: { output: { codeSplitting: { includeDependenciesRecursively: false, groups: files } } },
  },
  test: { css: true }, // style sheets are empty otherwise
  server: { proxy: { "/api": server } },
});
