/**
 * Every SASL mechanism for imapflow.
 *
 * @module
 */
export { AuthenticationFailure, isSASLError, SASLFailure, type SASLMechanism } from "sasl-core";
export type { AuthenticationResult } from "sasl-imap";
export { createImapFlow, type ImapFlowClass, type ImapFlowSettings, type SASLOptions } from "./create.js";
