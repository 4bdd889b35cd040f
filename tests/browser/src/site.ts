/**
 * Pages, bundled from the sources, and a server for them. `http://localhost` is a secure context, which WebCrypto needs.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type InlineConfig, type Plugin, preview } from "vite";

/** The project's folder, without a separator at its end. */
export const root: string = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "");

const pages = `${root}/tests/browser/page`;

/** Sources in place of builds, as in `vitest.config.ts`, without Node's variants. */
const conditions = ["sasl-source", "module", "browser", "production"];

/** Pages that are served. */
export interface Site {
  /** With a slash at its end. */
  readonly url: string;
  close(): Promise<void>;
}

/** The pages of this folder, by name without `.html`. @param whole keeps modules that only do something, such as tests. */
export function pageSite(names: readonly string[], whole: boolean): Promise<Site> {
  return serveBuilt(`tests/browser/page/`, {
    root,
    configFile: false,
    resolve: { conditions },
    plugins: [standIns],
    build: {
      minify: !whole,
      rolldownOptions: {
        treeshake: !whole,
        input: names.map((name) => `${pages}/${name}.html`),
        onLog: (level, log, next) => {
          if (log.plugin !== "rolldown:vite-resolve" && log.code !== "EVAL") next(level, log); // Node's modules, in tests not for pages
        },
      },
    },
  });
}

/** The example, as its own configuration has it. */
export function exampleSite(): Promise<Site> {
  return serveBuilt("", { root: `${root}/examples/web-chat`, build: {} });
}

async function serveBuilt(path: string, config: InlineConfig): Promise<Site> {
  const outDir = mkdtempSync(join(tmpdir(), "sasl-pages-"));
  const common: InlineConfig = { ...config, base: "./", logLevel: "error" };
  await build({ ...common, build: { target: "es2023", ...config.build, outDir, emptyOutDir: true } });
  const server = await preview({ ...common, build: { outDir }, preview: { port: 0, host: "localhost" } });
  return {
    url: `${server.resolvedUrls?.local[0]}${path}`,
    async close() {
      await server.close();
      rmSync(outDir, { recursive: true });
    },
  };
}

const standIns: Plugin = {
  name: "stand-ins",
  enforce: "pre",
  resolveId(id, importer = "") {
    if (id === "node:vm") return `${pages}/realms.ts`;
    return importer.startsWith(`${root}/packages/core/`) && /\/vectors\.js$/.test(id)
      ? `${pages}/vector-files.ts`
      : undefined;
  },
};
