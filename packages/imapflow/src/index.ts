/**
 * Every SASL mechanism for imapflow. Two ways in, one for each age of the library, make this longer than one would be.
 *
 * @module
 */
export { AuthenticationFailure, isSASLError, SASLFailure, type SASLMechanism } from "sasl-core";
export type { AuthenticationResult } from "sasl-imap";
export { createImapFlow, type ImapFlowClass, type ImapFlowSettings, type SASLOptions } from "./create.js";
