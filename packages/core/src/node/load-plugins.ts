/**
 * Plug-ins by the name of their module, as Node.js finds modules.
 *
 * @module
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type LoadedPlugins, type LoadPluginsOptions, PluginError, readPlugins } from "../read-plugins.js";

/**
 * Imports modules and takes the plug-in each of them exports as `saslPlugin`.
 *
 * @param modules files, relative to the current folder or absolute; names of packages installed there; or `file:` URLs.
 *   Their code is run with all that this process may do.
 * @throws {PluginError} for the first that cannot be used; those before it have been let go of.
 */
export function loadPlugins(modules: readonly string[], options: LoadPluginsOptions = {}): Promise<LoadedPlugins> {
  return readPlugins(
    modules.map((module) => ({ module, load: async () => (await import(urlOf(module))) as object })),
    options,
  );
}

function urlOf(module: string): string {
  if (/^(?:file|data|node):/.test(module)) return module;
  const file = resolve(module);
  try {
    const isFile = statSync(file, { throwIfNoEntry: false })?.isFile(); // a folder may be called as a package is
    return pathToFileURL(isFile ? file : installed(module)).href;
  } catch (cause) {
    throw new PluginError("module-not-found", module, "there is no such file or installed package", { cause });
  }
}

/** The file of a package that is installed for the current folder. */
function installed(module: string): string {
  const require = createRequire(resolve("package.json"));
  try {
    return require.resolve(module);
  } catch (error) {
    // Packages that are for `import` alone; Node 20 resolves for `require` only, when not from where it stands.
    const file =
      (error as NodeJS.ErrnoException).code === "ERR_PACKAGE_PATH_NOT_EXPORTED"
        ? importable(require, module)
        : undefined;
    if (file === undefined) throw error;
    return file;
  }
}

const conditions: ReadonlySet<string> = new Set(["node-addons", "node", "import", "module-sync", "default"]);

/** The file that `import` would take for a package, or for a subpath that its manifest names as it is. */
function importable(require: NodeJS.Require, module: string): string | undefined {
  const [, name = "", subpath = ""] = /^((?:@[^/]+\/)?[^/]+)(\/.+)?$/.exec(module) ?? [];
  for (const folder of require.resolve.paths(name) ?? []) {
    const manifest = join(folder, name, "package.json");
    if (!existsSync(manifest)) continue;
    const { exports } = JSON.parse(readFileSync(manifest, "utf8")) as { exports?: unknown };
    const subpaths = isObject(exports) && Object.keys(exports).some((key) => key.startsWith("."));
    const target = targetOf(subpaths ? exports[`.${subpath}`] : subpath === "" ? exports : undefined);
    return target?.startsWith("./") ? join(dirname(manifest), target) : undefined;
  }
  return undefined;
}

/** The first target whose conditions hold (Node.js, "Conditional exports"). */
function targetOf(exports: unknown): string | undefined {
  if (typeof exports === "string") return exports;
  if (Array.isArray(exports)) return exports.map(targetOf).find((each) => each !== undefined);
  if (!isObject(exports)) return undefined;
  for (const [condition, target] of Object.entries(exports)) {
    const found = conditions.has(condition) ? targetOf(target) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
