/**
 * Every SASL mechanism for nodemailer: `withSASL` makes transport options out of transport options.
 *
 * @module
 */
export {
  type AuthenticationFailure,
  isSASLError,
  type SASLErrorCode,
  type SASLFailure,
  type SASLMechanism,
} from "sasl-core";
export type { AuthenticationResult } from "sasl-smtp";
export { type SASLOptions, type SASLTransportOptions, type TransportOptions, withSASL } from "./with-sasl.js";
