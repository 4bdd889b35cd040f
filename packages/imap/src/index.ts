/**
 * SASL for IMAP, both ends: RFC 9051, RFC 3501, RFC 4959, RFC 5530.
 *
 * Every binding exports the same five things: `discover` and `announce`, `SASLClient`, `serve`, `parseFailure` and
 * `formatFailure`, `authenticate`. The rest is what stands around them in IMAP.
 *
 * @module
 */
export {
  AuthenticationFailure,
  hiddenMechanisms,
  isSASLError,
  memoryAccounts,
  type SASLErrorCode,
  SASLFailure,
  type SASLMechanism,
  SASLServer,
  type ServeOutcome,
  type ServerResult,
} from "sasl-core";
export {
  type ConnectionEnd,
  type ConnectionFacts,
  type LineTransport,
  linePair,
  protectWire,
  type ServedSession,
  type ServerTransport,
  Sweep,
} from "sasl-lines";
export { type AuthenticateOptions, type AuthenticationResult, authenticate } from "./authenticate.js";
export { SASLClient, type SASLClientOptions } from "./client.js";
export {
  type Command,
  type CommandFault,
  type CommandLimits,
  type Objection,
  parseStrings,
  readCommand,
} from "./command.js";
export { IMAPConnection, type IMAPConnectionOptions } from "./connection.js";
export { type Announcement, type AnnounceOptions, announce, type CapabilitySource, discover } from "./discovery.js";
export { type FailureContext, formatFailure, parseFailure } from "./errors.js";
export { capabilities, type Greeting, type GreetOptions, greet } from "./greeting.js";
export { formatLogin, type LoginCredentials, type LoginOptions, login, serveLogin } from "./login.js";
export { type CommandOptions, type Completion, runCommand } from "./responses.js";
export { type AuthenticateCommand, type ServeOptions, serve } from "./server.js";
export { parseStatus, type Status } from "./status.js";
export { tagGenerator } from "./tag.js";
