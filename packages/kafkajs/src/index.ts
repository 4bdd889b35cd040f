/**
 * SASL mechanisms for kafkajs.
 *
 * @module
 */
export {
  AuthenticationFailure,
  type AuthenticationResult,
  isSASLError,
  SASLFailure,
  type SASLMechanism,
} from "sasl-core";
export { type SASLOptions, withSASL } from "./with-sasl.js";
