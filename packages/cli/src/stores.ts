/**
 * Account stores by URL. The package behind a scheme is loaded when the scheme is used, and not before.
 *
 * @module
 */
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
  /** Path of the file that was made for it. */
  readonly made?: string | undefined;
}

/** How to open a store. */
export interface OpenStoreOptions {
  /** Stores of these come first. */
  readonly plugins: Pick<LoadedPlugins, "stores">;
  /** Makes an empty file, for its owner alone, where `file:PATH` names none. Default false. */
  readonly create?: boolean | undefined;
}

/**
 * Opens the store a URL names.
 *
 * @param url may hold a password, which no message repeats.
 * @throws {CommandError} `malformed-url`; `unreadable-file` for a file of accounts; `store-failed` for the others.
 */
export async function openStore(url: string, options: OpenStoreOptions): Promise<OpenStore> {
  const mask = maskFor(secretsOf(url));
  const scheme = schemeOf(url, options.plugins.stores);
  const kind = await storeFor(scheme, options.plugins.stores);
  let made: string | undefined;
  try {
    return { accounts: await kind.open(url), mask };
  } catch (error) {
    made = options.create === true && scheme === "file" ? missingPath(error) : undefined;
    if (made === undefined) throw openingFault(error, scheme, mask);
  }
  try {
    const { fileAccounts } = await import("sasl-store-file");
    return { accounts: await fileAccounts(made, { create: true }), mask, made };
  } catch (error) {
    throw openingFault(error, scheme, mask);
  }
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

async function storeFor(scheme: string, stores: readonly AccountStorePlugin[]): Promise<AccountStorePlugin> {
  const fits = ({ schemes }: { readonly schemes: readonly string[] }): boolean => schemes.includes(scheme);
  const added = stores.find(fits);
  if (added !== undefined) return added;
  const { readPlugin } = await import("sasl-core/plugin");
  const plugin = await readPlugin(await (packages.find(fits) as StorePackage).load(), scheme);
  return plugin.stores?.find(fits) as AccountStorePlugin;
}

/** The path of the file that is not there, where that is what went wrong. */
function missingPath(error: unknown): string | undefined {
  const { code, path } = ((error as Error | undefined)?.cause ?? {}) as NodeJS.ErrnoException;
  return code === "ENOENT" ? path : undefined;
}

function openingFault(error: unknown, scheme: string, mask: Mask): CommandError {
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
  const text = mask(faultText(error));
  if (isSASLError(error) && error.code === "malformed-message") return new CommandError("usage", text);
  return new CommandError("store-failed", text);
}
