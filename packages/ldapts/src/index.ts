/**
 * Every SASL mechanism for ldapts. Bind requests of its own, for octets that ldapts does not carry, make it longer than an adapter is.
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
export { type SASLBindOptions, saslBind, supportedMechanisms } from "./bind.js";
