/**
 * Every SASL mechanism for ldapts.
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
