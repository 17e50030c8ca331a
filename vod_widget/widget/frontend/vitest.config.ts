import { resolve } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  define: { ASSETS: JSON.stringify({ panels: "sum of panels.js", chinese: "sum of chinese.json" }), PANEL_WORDS: "{}" },
  resolve: { alias: [{ find: /^\.\/door$/, replacement: resolve(__dirname, "test/door.ts") }] },
  test: { environment: "happy-dom", include: ["test/**/*.test.ts"], restoreMocks: true, testTimeout: 60_000 },
});
