/**
 * SASL accounts in an LDAP directory.
 *
 * @module
 */
export type { LdapOptions, LdapScope, LdapTls } from "./options.js";
export { saslPlugin } from "./plugin.js";
export { ldapAccounts } from "./store.js";
