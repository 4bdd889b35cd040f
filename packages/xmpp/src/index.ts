/**
 * `sasl-xmpp`: SASL in XMPP, client and server. For applications; follows semver. Nothing here needs Node.js or a
 * certain XML library; `sasl-xmpp/node` and `sasl-xmpp/websocket` have ready transports.
 *
 * @module
 */
export { AuthenticationFailure, isSASLError, type SASLErrorCode, SASLFailure, type ServeOutcome } from "sasl-core";
export {
  authenticate,
  type InlineResults,
  type SASL2Profile,
  type XMPPAuthenticateOptions,
  type XMPPAuthenticationResult,
} from "./authenticate.js";
export { SASLClient, type SASLClientOptions } from "./client.js";
export { type AnnounceOptions, announce, type Discovery, discover } from "./discovery.js";
export { type DOMDocumentLike, type DOMElementLike, type DOMNodeLike, domAdapter } from "./dom.js";
export type { Attributes, XMLAdapter } from "./element.js";
export {
  conditionFor,
  type FailureCondition,
  type FormatFailureOptions,
  formatFailure,
  parseFailure,
  type XMPPFailure,
} from "./errors.js";
export {
  bareJid,
  formatJid,
  type JID,
  normalizeDomain,
  normalizeLocal,
  parseJid,
} from "./jid.js";
export { type LtxElement, type LtxElementClass, ltxAdapter } from "./ltx.js";
export {
  NS_BIND2,
  NS_BINDING_TYPES,
  NS_CARBONS,
  NS_CLIENT,
  NS_CSI,
  NS_FAST,
  NS_FRAMING,
  NS_MAM,
  NS_SASL,
  NS_SASL2,
  NS_SM,
  NS_STANZAS,
  NS_STREAM,
  NS_STREAM_ERRORS,
  NS_TLS,
} from "./namespaces.js";
export { type ElementPairEnd, type ElementPairOptions, elementPair } from "./pair.js";
export { type SASL2Options, sasl2 } from "./sasl2/authenticate.js";
export {
  type Bind2Options,
  type BindAnswers,
  type BindFeature,
  type Bound,
  bind2,
} from "./sasl2/bind2.js";
export {
  type Bind2ServerOptions,
  type BoundSession,
  bind2Server,
  type ServerBindFeature,
} from "./sasl2/bind2-server.js";
export type { StanzaCondition } from "./sasl2/children.js";
export { type OfferedTasks, SASL2Client, type SASL2ClientOptions, type TaskReply } from "./sasl2/client.js";
export type {
  ClientAbout,
  ClientBefore,
  ClientInline,
  ClientTask,
  ServerAbout,
  ServerInline,
  ServerSuccess,
  ServerTask,
  TaskAbout,
  TaskConversation,
  UserAgent,
} from "./sasl2/contract.js";
export { discoverSASL2, type SASL2Discovery } from "./sasl2/discovery.js";
export type { SASL2ServeOutcome } from "./sasl2/exchange.js";
export { type Fast, type FastOptions, type FastResult, fast } from "./sasl2/fast.js";
export { type FastServerOptions, fastServer, type TokenLogin } from "./sasl2/fast-server.js";
export { type FastToken, type FastTokenStore, memoryFastTokens } from "./sasl2/fast-store.js";
export { type ResourceRule, randomResources, stableResources } from "./sasl2/resource.js";
export { type SASL2ServerOptions, SASL2Stream, type SASL2StreamFacts } from "./sasl2/server.js";
export {
  type ArchiveEnd,
  type ArchiveRange,
  archiveRange,
  archiveRangeServer,
  beginAs,
  type ClientState,
  carbonsServer,
  clientStateServer,
  enableCarbons,
} from "./sasl2/session-features.js";
export {
  type EnableOptions,
  enableStreamManagement,
  type Resumable,
  type Resumption,
  resume,
  type StreamManagement,
} from "./sasl2/stream-management.js";
export {
  type EnabledSession,
  type EnableRequest,
  type ManageableStream,
  type NotManaged,
  type ResumedSession,
  type ResumeServerOptions,
  resumeServer,
  type StreamManagementAnswer,
  type StreamManagementServerOptions,
  serveStreamManagement,
  streamManagementServer,
} from "./sasl2/stream-management-server.js";
export { type TotpOptions, type TotpRequest, totp } from "./sasl2/totp.js";
export {
  type ScramUpgradeOptions,
  type ScramUpgradeTaskOptions,
  scramUpgrade,
  scramUpgradeTasks,
  type UpgradeCredentials,
} from "./sasl2/upgrade.js";
export { newUserAgentId } from "./sasl2/user-agent.js";
export { type ServedSession, type ServeOptions, serve, type XMPPServeOutcome } from "./server.js";
export { ClientStream, type ClientStreamOptions, type ClientStreamParts } from "./stream/client-stream.js";
export {
  isStreamError,
  parseStreamError,
  type StreamCondition,
  StreamViolation,
  type XMPPStreamError,
} from "./stream/conditions.js";
export { XMPPConnection } from "./stream/connection.js";
export type {
  AuthenticatedStream,
  ConnectionEnd,
  SecuredChannel,
  XMPPConnectionOptions,
  XMPPConnectionParts,
} from "./stream/connection-options.js";
export {
  authenticatedXMLLimits,
  defaultXMLLimits,
  type Framing,
  type StreamEvent,
  type StreamHeader,
  type XMLLimits,
} from "./stream/framing.js";
export type { ElementTransport } from "./transport.js";
