/**
 * SASL for SMTP, both ends: RFC 4954, with RFC 5321, RFC 3207 and RFC 2034.
 *
 * Every binding exports the same five things: `discover` and `announce`, `SASLClient`, `serve`, `parseFailure` and
 * `formatFailure`, `authenticate`. The rest is what stands around them in SMTP.
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
export { type Completion, SASLClient, type SASLClientOptions } from "./client.js";
export { SMTPConnection, type SMTPConnectionOptions } from "./connection.js";
export { type Announcement, type AnnounceOptions, announce, discover, type EhloSource } from "./discovery.js";
export { type FailureContext, formatFailure, parseFailure } from "./errors.js";
export { type EhloOptions, ehlo, type Greeting, type GreetOptions, greet, runCommand } from "./greeting.js";
export type { Envelope, MessageHandler } from "./mail.js";
export { formatMailAuth, parseMailAuth } from "./mail-auth.js";
export { parseReply, type Reply } from "./reply.js";
export { type ServeOptions, serve } from "./server.js";
