import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `npm run dev` serves the sources and takes data from a running Signalbox.
const server = process.env["SIGNALBOX"] ?? "http://localhost:4316";

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2023",
    assetsDir: "assets",
    sourcemap: false,
    // Files are served with a content security policy that allows no data: scripts or fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1000,
  },
  server: { proxy: { "/api": server } },
});
