/**
 * Account stores by URL. The package behind a scheme is loaded when the scheme is used, and not before.
 *
 * @module
 */
import { lstatSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { type AccountStore, isSASLError } from "sasl-core";
import type { LoadedPlugins } from "sasl-core/node";
import type { AccountStorePlugin, PluginExport } from "sasl-core/plugin";
import { CommandError, oneLine } from "./errors.js";
import { type Mask, maskFor } from "./masking.js";
import { nearest } from "./nearest.js";
import { secretsOf } from "./url-secrets.js";

/** A package with stores: the schemes it is for, and its plug-in. */
interface StorePackage {
  readonly schemes: readonly string[];
  load(): Promise<{ readonly saslPlugin: PluginExport }>;
}

const packages: readonly StorePackage[] = [
  { schemes: ["file"], load: () => import("sasl-store-file") },
  { schemes: ["sqlite", "postgres", "postgresql"], load: () => import("sasl-store-sql") },
  { schemes: ["ldap", "ldaps", "ldapi"], load: () => import("sasl-store-ldap") },
];

/** A store that is open. */
export interface OpenStore {
  readonly accounts: AccountStore;
  /** Takes the password of the URL out of texts. */
  readonly mask: Mask;
}

/** How to open a store. */
export interface OpenStoreOptions {
  /** Stores of these come first. */
  readonly plugins: Pick<LoadedPlugins, "stores">;
  /**
   * Takes `file:PATH` and `sqlite:PATH` also where there is no such file: the first account that is written makes it, for its
   * owner alone. Told of its path then. Left out, that is an error.
   */
  readonly onMade?: ((path: string) => void) | undefined;
  /** How long opening may take, in ms; default 30,000. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Opens the store a URL names.
 *
 * @param url may hold a password, which no message repeats.
 * @throws {CommandError} `malformed-url`; `unreadable-file` for a file that is not there or, of `file:`, cannot be used;
 *   `store-failed` for the others, and when it takes too long.
 */
export async function openStore(url: string, options: OpenStoreOptions): Promise<OpenStore> {
  const { plugins, onMade, timeoutMs = 30_000 } = options;
  const mask = maskFor(secretsOf(url));
  const scheme = schemeOf(url, plugins.stores);
  const fits = ({ schemes }: { readonly schemes: readonly string[] }): boolean => schemes.includes(scheme);
  const open = async (make: () => AccountStore | Promise<AccountStore>): Promise<AccountStore> => {
    try {
      return await inTime(make, timeoutMs);
    } catch (error) {
      throw openingFault(error, scheme, mask);
    }
  };
  const added = plugins.stores.find(fits);
  if (added !== undefined) return { accounts: await open(() => added.open(url)), mask };
  const { readPlugin } = await import("sasl-core/plugin");
  const plugin = await readPlugin(await (packages.find(fits) as StorePackage).load(), scheme);
  const kind = plugin.stores?.find(fits) as AccountStorePlugin;
  const path = missingFile(scheme, url);
  if (path === undefined) return { accounts: await open(() => kind.open(url)), mask };
  if (onMade === undefined) throw new CommandError("unreadable-file", `cannot read ${path}: there is no such file`);
  const make = async (): Promise<AccountStore> => {
    const accounts = await open(scheme === "file" ? () => makeFile(path) : () => kind.open(url));
    onMade(path);
    return accounts;
  };
  return { accounts: storeToMake(make), mask };
}

/** What comes of it, or an error once it has taken too long. */
async function inTime(make: () => AccountStore | Promise<AccountStore>, timeoutMs: number): Promise<AccountStore> {
  const opening = Promise.resolve().then(make);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new CommandError("store-failed", `the store did not open within ${timeoutMs / 1000} s`));
      opening.then((accounts) => accounts.close?.()).catch(() => {}); // nobody waits for it any more
    }, timeoutMs);
  });
  try {
    return await Promise.race([opening, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function makeFile(path: string): Promise<AccountStore> {
  const { fileAccounts } = await import("sasl-store-file");
  return fileAccounts(path, { create: true });
}

/**
 * The path a URL of ours names where nothing is there but the folder it would be in.
 *
 * @throws {CommandError} `unreadable-file` for a link that leads nowhere.
 */
function missingFile(scheme: string, url: string): string | undefined {
  const path = pathOf(scheme, url);
  if (path === undefined || isThere(path)) return undefined;
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
    throw new CommandError(
      "unreadable-file",
      `${path} is a link to a file that is not there: make that file, or remove the link`,
    );
  }
  if (!isThere(dirname(path))) {
    throw new CommandError("unreadable-file", `cannot read ${path}: there is no folder ${dirname(path)}`);
  }
  return path;
}

/** The file of a URL of ours, read as its package does; `undefined` where there is none, or the package has to say why not. */
function pathOf(scheme: string, url: string): string | undefined {
  if (scheme !== "file" && scheme !== "sqlite") return undefined;
  const rest = url.slice(scheme.length + 1);
  if (rest === "" || rest === ":memory:" || rest.includes("\0")) return undefined;
  if (!rest.startsWith("//")) return rest;
  if (scheme === "sqlite") return rest.startsWith("///") ? rest.slice(2) : undefined;
  try {
    const { search, hash } = new URL(url);
    return search === "" && hash === "" ? fileURLToPath(url) : undefined;
  } catch {
    return undefined;
  }
}

/** False when there is nothing; whoever opens it says what else is wrong with it. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** A store without accounts, until one is written. */
function storeToMake(make: () => Promise<AccountStore>): AccountStore {
  let made: Promise<AccountStore> | undefined;
  return {
    lookup: async (...given) => (await made)?.lookup(...given),
    async store(...given) {
      made ??= make();
      return (await made).store?.(...given) ?? false;
    },
    remove: async (name) => (await (await made)?.remove?.(name)) ?? false,
    async *list() {
      yield* (await made)?.list?.() ?? [];
    },
    close: async () => (await made?.catch(() => undefined))?.close?.(), // whoever wrote has been told
  };
}

function schemeOf(url: string, stores: readonly AccountStorePlugin[]): string {
  const [, scheme] = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(url) ?? [];
  const known = [...new Set([...packages, ...stores].flatMap(({ schemes }) => schemes))];
  const list = known.map((each) => `${each}:`).join(", ");
  if (scheme === undefined) {
    throw new CommandError("malformed-url", `a store is named by a URL, such as file:PATH; known: ${list}`);
  }
  const name = scheme.toLowerCase();
  if (known.includes(name)) return name;
  const near = name === "memory" ? undefined : nearest(name, known);
  const advice = near === undefined ? `known: ${list}` : `did you mean ${near}:? Known: ${list}`;
  throw new CommandError("malformed-url", `no store is known for ${name.slice(0, 20)}: here; ${advice}`);
}

function openingFault(error: unknown, scheme: string, mask: Mask): CommandError {
  if (error instanceof CommandError) return error;
  const text = mask(faultText(error));
  if (error instanceof TypeError || error instanceof RangeError) {
    return new CommandError("malformed-url", `the URL of the store cannot be used: ${text}`);
  }
  return scheme === "file" ? new CommandError("unreadable-file", text) : new CommandError("store-failed", text);
}

/** What a store threw, for whoever runs it: with what only a log may know. */
export function faultText(error: unknown): string {
  if (!(error instanceof Error)) return "something that is no error was thrown";
  const detail = isSASLError(error) ? error.detail : undefined;
  if (detail === undefined || detail === error.message) return oneLine(error.message);
  return oneLine(`${error.message}: ${detail}`);
}

/**
 * Works on a store and closes it, whatever came of the work.
 *
 * @throws what the work throws, or else {CommandError} `store-failed` when the store does not close.
 */
export async function closing<T>({ accounts, mask }: OpenStore, work: () => Promise<T>): Promise<T> {
  const close = async (): Promise<void> => accounts.close?.();
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await close().catch(() => {}); // the first fault is the one to tell
    throw error;
  }
  await close().catch((error: unknown) => {
    throw faultAtWork(error, mask);
  });
  return result;
}

/**
 * A store whose faults are errors of the command: `store-failed`, or `usage` for a name or a value it cannot hold.
 * What it cannot do stays left out.
 */
export function guarded({ accounts, mask }: OpenStore): AccountStore {
  const guard = async <T>(work: () => T | Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw faultAtWork(error, mask);
    }
  };
  const { store, remove, list, checkPassword } = accounts;
  return {
    lookup: (name, requests) => guard(() => accounts.lookup(name, requests)),
    ...(store && { store: (...given) => guard(() => store.apply(accounts, given)) }),
    ...(remove && { remove: (name) => guard(() => remove.call(accounts, name)) }),
    ...(checkPassword && { checkPassword: (...given) => guard(() => checkPassword.apply(accounts, given)) }),
    ...(list && {
      async *list() {
        try {
          yield* list.call(accounts);
        } catch (error) {
          throw faultAtWork(error, mask);
        }
      },
    }),
  };
}

function faultAtWork(error: unknown, mask: Mask): CommandError {
  if (error instanceof CommandError) return error; // of a file that could not be made
  const text = mask(faultText(error));
  if (isSASLError(error) && error.code === "malformed-message") return new CommandError("usage", text);
  return new CommandError("store-failed", text);
}
