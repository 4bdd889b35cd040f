/**
 * For authors of mechanisms, account stores and bindings: the contracts, and the small tools that keep them.
 * Follows semver like the main entry. A mechanism's halves reach the outside through their context alone.
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
export { secretProperties } from "./accounts.js";
export { checkBindingOffer } from "./binding-offer.js";
export type { CanonicalizeRequest, CanonicalizeRole, Canonicalizer } from "./canonicalize.js";
export type { ChannelBinding, ChannelBindingType } from "./channel-binding.js";
export { clientMechanism } from "./client.js";
export {
  type CredentialKind,
  type CredentialKinds,
  type CredentialNeed,
  type CredentialProvider,
  type CredentialRequest,
  credentialNeed,
  needOf,
  secretOf,
} from "./credentials.js";
export { md5, sha1, sha3_512, sha224, sha256, sha384, sha512 } from "./digests.js";
export { asSASLError, SASLFailure, saslError } from "./errors.js";
export type { SASLInterface, SASLReply, ServeOutcome } from "./interface.js";
export { type DecodeBase64Options, decodeBase64, encodeBase64 } from "./internal/base64.js";
export { concatBytes, equalBytes, wipe } from "./internal/bytes.js";
export { formatGs2Header, type Gs2Header, parseGs2Header } from "./internal/gs2.js";
export { printable } from "./internal/printable.js";
export { isAsExpected, sameProperty } from "./internal/same-property.js";
export { decodeUtf8, encodeUtf8 } from "./internal/text.js";
export { type BufferProtection, type LayerBounds, noLayer, type SecurityLayer, securityLayer } from "./layer.js";
export { LayerInput } from "./layer-input.js";
export { defaultLimits, type Limits } from "./limits.js";
export {
  type ClientContext,
  type ClientConversation,
  defineMechanism,
  type ExternalIdentity,
  type Final,
  type Flow,
  type Heard,
  type IterationBounds,
  isMechanismName,
  type Mechanism,
  type MechanismContext,
  type MechanismInfo,
  type PasswordContext,
  type SecurityFlag,
  type ServerContext,
  type ServerConversation,
  type ServerFacts,
  type ServerOutcome,
  withServer,
} from "./mechanism.js";
export {
  type AccountStorePlugin,
  type Plugin,
  type PluginExport,
  type PluginHost,
  pluginApiVersions,
} from "./plugin-set.js";
export {
  isMechanism,
  isPluginError,
  type LoadedPlugin,
  type LoadedPlugins,
  type LoadPluginsOptions,
  PluginError,
  type PluginErrorCode,
  type PluginModule,
  readPlugin,
  readPlugins,
} from "./read-plugins.js";
export type { Digest, MacKey, MaybePromise } from "./runtime/contract.js";
