/**
 * SASL for smtp-server: `installSASL` gives a server the mechanisms and accounts of a `SASLServer`.
 *
 * @module
 */
export {
  type AuthenticationFailure,
  isSASLError,
  memoryAccounts,
  type SASLErrorCode,
  type SASLFailure,
  SASLServer,
  type ServerResult,
} from "sasl-core";
export { type InstallOptions, installSASL } from "./install-sasl.js";
