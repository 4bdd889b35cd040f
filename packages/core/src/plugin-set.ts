/**
 * What a plug-in module brings, and the versions of that contract. The model is Cyrus SASL's: an entry point is told what
 * the host understands and answers with a version and any mix of three kinds of plug-ins.
 *
 * @module
 */
import type { AccountStore } from "./accounts.js";
import type { Canonicalizer } from "./canonicalize.js";
import type { Mechanism } from "./mechanism.js";
import type { MaybePromise } from "./runtime/contract.js";

/** Versions of the plug-in contract that this core understands. */
export const pluginApiVersions: readonly number[] = [1];

/** A kind of account store that a URL can name. */
export interface AccountStorePlugin {
  /** For people: `sql`. */
  readonly name: string;
  /** URL schemes without the colon, in lower case: `sqlite`, `postgres`. */
  readonly schemes: readonly string[];
  /**
   * Opens a store.
   *
   * @param url with one of the schemes. May hold a password: never show it.
   * @throws when the URL cannot be understood (`TypeError`), or the store is not there.
   */
  open(url: string): MaybePromise<AccountStore>;
}

/** What a plug-in module brings. */
export interface Plugin {
  /** The version of this contract it was written for: one of {@link PluginHost.apiVersions}. */
  readonly apiVersion: number;
  /** Mechanisms, for either end. */
  readonly mechanisms?: readonly Mechanism[] | undefined;
  /** User canonicalisation, in the order in which to apply them. */
  readonly canonicalizers?: readonly Canonicalizer[] | undefined;
  /** Auxiliary property plug-ins: where accounts are. */
  readonly stores?: readonly AccountStorePlugin[] | undefined;
  /** Lets go of what the plug-in holds; called once, when its host has done with it. */
  dispose?(): MaybePromise<void>;
}

/** What a plug-in is told before it answers. */
export interface PluginHost {
  /** Versions this host understands. */
  readonly apiVersions: readonly number[];
}

/** A module exports this under the name `saslPlugin`: a plug-in, or a function that makes one for this host. */
export type PluginExport = Plugin | ((host: PluginHost) => MaybePromise<Plugin>);
