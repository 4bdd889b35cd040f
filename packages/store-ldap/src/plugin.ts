/**
 * This package as a plug-in: stores by URL.
 *
 * @module
 */
import type { Plugin } from "sasl-core/plugin";
import { ldapAccounts } from "./store.js";

/** For `loadPlugins(["sasl-store-ldap"])`: opens `ldap:`, `ldaps:` and `ldapi:` URLs. */
export const saslPlugin: Plugin = {
  apiVersion: 1,
  stores: [{ name: "ldap", schemes: ["ldap", "ldaps", "ldapi"], open: (url) => ldapAccounts(url) }],
};
