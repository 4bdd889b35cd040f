/**
 * Accounts in one file that Dovecot reads too.
 *
 * @module
 */
export { type FileAccounts, type FileAccountsOptions, fileAccounts } from "./file-accounts.js";
export { saslPlugin } from "./plugin.js";
