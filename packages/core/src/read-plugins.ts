/**
 * Plug-ins out of modules: asks each for what it brings, checks that, and keeps order among several. Where modules come
 * from is the runtime's business; `loadPlugins` of `sasl-core/node` is made of this.
 *
 * @module
 */
import type { Canonicalizer } from "./canonicalize.js";
import { Cutoff } from "./cutoff.js";
import type { Mechanism } from "./mechanism.js";
import { type AccountStorePlugin, type Plugin, type PluginHost, pluginApiVersions } from "./plugin-set.js";
import { objectionToMechanism, objectionToPlugin } from "./plugin-shape.js";
import type { MaybePromise } from "./runtime/contract.js";

/** What can be wrong with a plug-in. */
export type PluginErrorCode =
  | "module-not-found" // there is no such file or package
  | "import-failed" //    it has a fault of its own, or does not come to an end
  | "no-plugin" //        it exports no `saslPlugin`
  | "wrong-version" //    it was written for another version of the contract
  | "broken-shape" //     a field is not what it has to be; see `path`
  | "name-clash" //       it brings what another one brings, too
  | "refused" //          its `saslPlugin` threw, or did not answer
  | "dispose-failed"; //  it did not let go of what it held

/** The same symbol in every copy of this package. */
const brand = Symbol.for("sasl-core.plugin-error");

/** A plug-in that cannot be used. The message names the module, the field, and what was expected there. */
export class PluginError extends Error {
  override readonly name = "PluginError";
  readonly code: PluginErrorCode;
  /** As it was asked for: `sasl-plugin-x`. */
  readonly module: string;
  /** The field that is wrong, `mechanisms[0].flow`; `undefined` when it is the whole. */
  readonly path: string | undefined;

  constructor(
    code: PluginErrorCode,
    module: string,
    what: string,
    { path, cause }: { readonly path?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(`${module}: ${path ? `${path} ` : ""}${what}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.module = module;
    this.path = path || undefined;
    Object.defineProperty(this, brand, { value: true });
  }
}

/** True for a {@link PluginError}, whichever copy of this package made it. */
export function isPluginError(value: unknown): value is PluginError {
  return (value as { readonly [brand]?: unknown } | null | undefined)?.[brand] === true;
}

/** Whether a value has the shape of a mechanism. */
export function isMechanism(value: unknown): value is Mechanism {
  return objectionToMechanism(value) === undefined;
}

/** How plug-ins are loaded. */
export interface LoadPluginsOptions {
  /** Longest time a module may take to load, to answer and to let go, in milliseconds; each by itself. Default 10000. */
  readonly timeoutMs?: number | undefined;
}

/** A module to take a plug-in from. */
export interface PluginModule {
  /** What it is called in messages: `sasl-plugin-x`. */
  readonly module: string;
  /** Gives its exports: `() => import("sasl-plugin-x")`. */
  load(): MaybePromise<object>;
}

/** What one module brought. */
export interface LoadedPlugin {
  readonly module: string;
  readonly mechanisms: readonly Mechanism[];
  readonly canonicalizers: readonly Canonicalizer[];
  readonly stores: readonly AccountStorePlugin[];
}

/** What several modules brought, in their order. */
export interface LoadedPlugins {
  readonly plugins: readonly LoadedPlugin[];
  /** No two of one name. One that is called as a built-in mechanism is to take its place: give a server only one of them. */
  readonly mechanisms: readonly Mechanism[];
  readonly canonicalizers: readonly Canonicalizer[];
  readonly stores: readonly AccountStorePlugin[];
  /** The module a part came from. */
  origin(part: Mechanism | Canonicalizer | AccountStorePlugin): string | undefined;
  /**
   * Lets go of all plug-ins, the last one first, each exactly once however often this is called. Close servers and
   * account stores before.
   *
   * @throws {PluginError} `dispose-failed`, when the others have been let go of.
   */
  close(): Promise<void>;
}

const defaultTimeoutMs = 10_000;

/**
 * Takes plug-ins from modules, one after the other. When one of them cannot be used, those before it are let go of.
 *
 * @throws {PluginError} for the first that cannot be used.
 */
export async function readPlugins(
  modules: Iterable<PluginModule>,
  options: LoadPluginsOptions = {},
): Promise<LoadedPlugins> {
  const { timeoutMs = defaultTimeoutMs } = options;
  const held: Held[] = [];
  try {
    for (const { module, load } of modules) {
      const exports = await within(timeoutMs, load).catch((error: unknown) => {
        throw isPluginError(error)
          ? error
          : new PluginError("import-failed", module, `it cannot be imported: ${messageOf(error)}`, { cause: error });
      });
      const plugin = await readPlugin(exports, module, options);
      held.push({ module, plugin });
      refuseClash(held);
    }
  } catch (error) {
    await letGo(held, timeoutMs).catch(() => {}); // the first fault is the one to tell
    throw error;
  }
  const plugins = held.map(({ module, plugin: { mechanisms = [], canonicalizers = [], stores = [] } }) => ({
    module,
    mechanisms,
    canonicalizers,
    stores,
  }));
  const origins = new Map(
    plugins.flatMap((each) =>
      [...each.mechanisms, ...each.canonicalizers, ...each.stores].map((part) => [part, each.module] as const),
    ),
  );
  let closed: Promise<void> | undefined;
  return {
    plugins,
    mechanisms: plugins.flatMap(({ mechanisms }) => mechanisms),
    canonicalizers: plugins.flatMap(({ canonicalizers }) => canonicalizers),
    stores: plugins.flatMap(({ stores }) => stores),
    origin: (part) => origins.get(part),
    close() {
      closed ??= letGo(held, timeoutMs);
      return closed;
    },
  };
}

/**
 * The plug-in a module exports: told of this host, asked for what it brings, and checked in every field.
 *
 * @param exports namespace of the module.
 * @param module what to call it in messages.
 * @throws {PluginError} `no-plugin`, `refused`, `wrong-version`, `broken-shape`; what the plug-in held is let go of.
 */
export async function readPlugin(exports: object, module: string, options: LoadPluginsOptions = {}): Promise<Plugin> {
  const { timeoutMs = defaultTimeoutMs } = options;
  const exported = read(exports, "saslPlugin", module);
  if (exported === undefined) throw new PluginError("no-plugin", module, "it exports no saslPlugin");
  const plugin = typeof exported === "function" ? await ask(exported as Factory, module, timeoutMs) : exported;
  try {
    return accepted(plugin, module);
  } catch (error) {
    await letGo([{ module, plugin: plugin as Plugin }], timeoutMs).catch(() => {});
    throw error;
  }
}

type Factory = (host: PluginHost) => unknown;

interface Held {
  readonly module: string;
  readonly plugin: Plugin;
}

/** The copy that is used from here on, whose lists nobody changes any more. */
function accepted(value: unknown, module: string): Plugin {
  // The version first: what another version looks like is not for us to judge.
  const version = typeof value === "object" && value !== null ? read(value, "apiVersion", module) : undefined;
  if (Number.isInteger(version) && !pluginApiVersions.includes(version as number)) {
    const what = `is ${version}; this host understands ${pluginApiVersions.join(", ")}`;
    throw new PluginError("wrong-version", module, what, { path: "apiVersion" });
  }
  const objection = objectionToPlugin(value);
  if (objection) {
    const { path, what } = objection;
    throw new PluginError("broken-shape", module, path ? what : `saslPlugin ${what}`, { path });
  }
  const plugin = value as Plugin;
  const { apiVersion, mechanisms = [], canonicalizers = [], stores = [] } = plugin;
  return {
    apiVersion,
    mechanisms: Object.freeze([...mechanisms]),
    canonicalizers: Object.freeze([...canonicalizers]),
    stores: Object.freeze([...stores]),
    ...(plugin.dispose && { dispose: () => plugin.dispose?.() }),
  };
}

async function ask(factory: Factory, module: string, timeoutMs: number): Promise<unknown> {
  const host: PluginHost = Object.freeze({ apiVersions: Object.freeze([...pluginApiVersions]) });
  let answered: Promise<unknown> | undefined;
  try {
    return await within(timeoutMs, () => {
      answered = Promise.resolve(factory(host));
      return answered;
    });
  } catch (error) {
    // An answer that comes too late is not used, and should not hold anything either.
    answered?.then((plugin) => letGo([{ module, plugin: plugin as Plugin }], timeoutMs)).catch(() => {});
    throw new PluginError("refused", module, `its saslPlugin failed: ${messageOf(error)}`, { cause: error });
  }
}

function refuseClash(held: readonly Held[]): void {
  const taken = new Map<string, string>();
  for (const { module, plugin } of held) {
    const { mechanisms = [], canonicalizers = [], stores = [] } = plugin;
    const take = (kind: string, name: string, path: string) => {
      const other = taken.get(`${kind} ${name}`);
      if (other !== undefined) {
        const where = other === module ? "it has twice" : `is also in ${other}`;
        throw new PluginError("name-clash", module, `is ${JSON.stringify(name)}, which ${where}`, { path });
      }
      taken.set(`${kind} ${name}`, module);
    };
    for (const [i, { name }] of mechanisms.entries()) take("mechanism", name, `mechanisms[${i}].name`);
    for (const [i, { name }] of canonicalizers.entries()) take("canonicalizer", name, `canonicalizers[${i}].name`);
    for (const [i, { schemes }] of stores.entries()) {
      for (const [j, scheme] of schemes.entries()) take("scheme", scheme, `stores[${i}].schemes[${j}]`);
    }
  }
}

/** Lets go of all of them whatever each of them does, and then says what went wrong first. */
async function letGo(held: readonly Held[], timeoutMs: number): Promise<void> {
  const failed: PluginError[] = [];
  const gone = new Set<unknown>(); // a part may be in two plug-ins, or twice in one
  for (const { module, plugin } of held.toReversed()) {
    const parts: unknown[] = [];
    try {
      parts.push(...(plugin?.mechanisms ?? []), plugin);
    } catch {
      parts.push(plugin); // as far as it can be read
    }
    for (const part of parts) {
      if (gone.has(part)) continue;
      gone.add(part);
      try {
        await within(timeoutMs, () => (part as Plugin | undefined)?.dispose?.());
      } catch (error) {
        failed.push(
          new PluginError("dispose-failed", module, `it did not let go: ${messageOf(error)}`, { cause: error }),
        );
      }
    }
  }
  if (failed[0]) throw failed[0];
}

function read(object: object, name: string, module: string): unknown {
  try {
    return (object as Readonly<Record<string, unknown>>)[name];
  } catch (cause) {
    throw new PluginError("broken-shape", module, "cannot be read: something threw", { path: name, cause });
  }
}

async function within<T>(timeoutMs: number, work: () => MaybePromise<T>): Promise<T> {
  const cutoff = new Cutoff(undefined, timeoutMs);
  try {
    return await cutoff.race((async () => work())());
  } finally {
    cutoff.dispose();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "something that is no error was thrown";
}
