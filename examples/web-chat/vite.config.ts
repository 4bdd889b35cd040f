import { defineConfig } from "vite";

// biome-ignore lint/style/noDefaultExport: this is how Vite reads it
export default defineConfig({
  root: import.meta.dirname,
  base: "./",
  // The packages as they lie here, without a build. A program of your own does not need this line.
  resolve: { conditions: ["sasl-source", "module", "browser", "development|production"] },
  build: { target: "es2023" },
});
