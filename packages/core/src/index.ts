/**
 * SASL for both ends of the wire: the engine, without any protocol. Mechanisms are in `sasl-core/mechanisms`; most
 * programs want one of the bindings, `sasl-xmpp`, `sasl-imap` or `sasl-smtp`.
 *
 * @module
 */
export type {
  Account,
  AccountProperties,
  AccountStore,
  HashingScheme,
  PasswordScheme,
  PropertyName,
  PropertyValue,
  ScramVerifier,
  TokenRequest,
  TokenVerdict,
  TokenVerifier,
} from "./accounts.js";
export {
  type AuthenticateOptions,
  type AuthenticationResult,
  authenticate,
  type Candidate,
  type ClientPolicy,
  type EvaluateOptions,
  type Evaluation,
  evaluate,
  type Skipped,
} from "./authenticate.js";
export {
  type CanonicalizeRequest,
  type CanonicalizeRole,
  type Canonicalizer,
  type ClientNames,
  clientNames,
} from "./canonicalize.js";
export {
  appendRealm,
  precis,
  saslprepName,
  stripRealm,
  trim,
  usernameCaseMapped,
  usernameCasePreserved,
} from "./canonicalizers.js";
export { type ChainOptions, callbackAccounts, chainAccounts } from "./chain-accounts.js";
export { type ChannelBinding, type ChannelBindingType, channelBinding } from "./channel-binding.js";
export { type ClientOutcome, type ClientSettings, clientMechanism, type SASLMechanism } from "./client.js";
export type {
  CredentialKind,
  CredentialKinds,
  CredentialNeed,
  CredentialProvider,
  CredentialRequest,
  Credentials,
  HeldScramKeys,
  ScramKeys,
} from "./credentials.js";
export {
  type DowngradeProtection,
  type DowngradeProtectionOptions,
  downgradeProtection,
  type LoginMemory,
  type PlaintextRequest,
} from "./downgrade-protection.js";
export {
  AuthenticationFailure,
  type AuthenticationFailureCode,
  isSASLError,
  SASLError,
  type SASLErrorCode,
  type SASLErrorKind,
  type SASLErrorOptions,
  SASLFailure,
  type SASLFailureCode,
  saslError,
} from "./errors.js";
export { hiddenMechanisms, type OffersCompared } from "./hidden-mechanisms.js";
export type { SASLInterface, SASLReply, ServeOutcome } from "./interface.js";
export type { Announced } from "./internal/announced.js";
export type { Prepare } from "./internal/context.js";
export type { LayerBounds, SecurityLayer } from "./layer.js";
export { defaultLimits, type Limits } from "./limits.js";
export type { ExternalIdentity, Flow, Mechanism, MechanismInfo, SecurityFlag } from "./mechanism.js";
export { type MemoryAccounts, memoryAccounts } from "./memory-accounts.js";
export { ScramKeyCache, type ScramKeyRequest, type ScramKeyStore } from "./scram-key-cache.js";
export {
  type AuthorizationRequest,
  SASLServer,
  type ServerConnection,
  type ServerEvent,
  type ServerOptions,
  type ServerPolicy,
} from "./server.js";
export { SASLServerSession, type ServerResult } from "./session.js";
export { type PasswordChange, type PasswordOptions, passwordChange, setPassword } from "./set-password.js";
export { type ExchangeState, SASLStateMachine, type StateMachineOptions } from "./state-machine.js";
export {
  compareStrength,
  isWeaker,
  type MechanismPolicy,
  type Strength,
  strengthOf,
  strengths,
} from "./strength.js";
export type { Throttle } from "./throttle.js";
export { type TraceEvent, type Tracer, tracer } from "./trace.js";
export {
  type MakeVerifierOptions,
  makeScramVerifier,
  type SaltOptions,
  saltedPassword,
  verifierFromSalted,
} from "./verifier.js";
