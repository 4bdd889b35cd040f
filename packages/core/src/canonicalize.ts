/**
 * User canonicalisation plug-ins: which of the many ways to write a name is the one that counts. Source: RFC 4422
 * §3.4.1; R-CAN-01 to -03.
 *
 * @module
 */
import type { MaybePromise } from "./runtime/contract.js";

/** What a name is for. `both`: no other identity was asked for, so one name is authcid and authzid. */
export type CanonicalizeRole = "authcid" | "authzid" | "both";

/** Where a name turned up. */
export interface CanonicalizeRequest {
  readonly role: CanonicalizeRole;
  readonly side: "client" | "server";
  readonly mechanism: string;
  /** Service name as registered with IANA: `imap`. */
  readonly service: string | undefined;
  /** Host the peer asked for on this connection, or else the server's own. */
  readonly host: string | undefined;
}

/** One rule. Several make a chain: each gets what the one before it gave. */
export interface Canonicalizer {
  /** For people: `trim`. */
  readonly name: string;
  /** The side it is for; left out: both. */
  readonly side?: "client" | "server" | undefined;
  /**
   * The canonical form of a name. Idempotent: its own result comes back as it is.
   *
   * @param name at most 1024 octets in UTF-8, without a NUL, at least 1 character. Untrusted.
   * @returns at most 1024 octets again, not empty.
   * @throws {SASLError} for a name that cannot be used here: `malformed-message`, `authorization-refused`. Anything else
   *   it throws fails the exchange as temporary.
   */
  canonicalize(name: string, request: CanonicalizeRequest): MaybePromise<string>;
}
