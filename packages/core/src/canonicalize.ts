/**
 * User canonicalisation plug-ins: which of the many ways to write a name is the one that counts. Source: RFC 4422
 * §3.4.1; R-CAN-01 to -03.
 *
 * @module
 */
import { SASLFailure } from "./errors.js";
import type { MechanismContext } from "./mechanism.js";
import type { MaybePromise } from "./runtime/contract.js";

/** What a name is for. `both`: no authzid was given, so that one name is both (RFC 4422 §3.4.1). */
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

/** Who asks: what a chain is told, and the bounds names keep to. */
type Asker = Pick<MechanismContext, "mechanism" | "service" | "host" | "checkIdentity">;

/**
 * A name after a chain of canonicalisers (R-CAN-01). Each result is checked before the next one sees it.
 *
 * @throws {SASLError} what a canonicaliser throws of that kind; `malformed-message` for an empty result (R-CAN-03),
 *   `limit-exceeded` for a long one.
 * @throws {TypeError} for a result that is no text.
 */
export function canonicalName(
  asker: Asker,
  chain: readonly Canonicalizer[],
  name: string,
  role: CanonicalizeRole,
  side: "client" | "server",
  host: string | undefined = asker.host,
): MaybePromise<string> {
  const { mechanism, service } = asker;
  const request: CanonicalizeRequest = { role, side, mechanism: mechanism.name, service, host };
  const step = (text: string, from: number): MaybePromise<string> => {
    let current = text;
    for (let i = from; i < chain.length; i++) {
      const each = chain[i] as Canonicalizer;
      if (each.side !== undefined && each.side !== side) continue;
      const result = each.canonicalize(current, request);
      if (isPromise(result)) return Promise.resolve(result).then((text) => step(checkedName(asker, text), i + 1));
      current = checkedName(asker, result);
    }
    return current;
  };
  return step(name, 0);
}

/** A canonicaliser without types may answer with anything; `undefined` is nobody's name. */
function checkedName(asker: Asker, name: unknown): string {
  if (typeof name !== "string") throw new TypeError("a canonicaliser's result is no text");
  if (name === "") throw new SASLFailure("malformed-message", "an identity is empty"); // R-CAN-03
  asker.checkIdentity(name);
  return name;
}

function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown }).then === "function";
}

/** The names of a client, as its credentials give them. */
interface GivenNames {
  readonly username?: string | undefined;
  readonly authzid?: string | undefined;
}

/** Made by {@link clientNames}: a client that has none does not carry the code. */
export type ClientNames = (asker: Asker, given: GivenNames) => Promise<GivenNames>;

/**
 * Canonicalisers for a client, in order (R-CAN-01): user name and authzid in one call where no authzid is given.
 *
 * @param chain those that are for servers alone are passed over.
 */
export function clientNames(chain: readonly Canonicalizer[]): ClientNames {
  return async (asker, { username, authzid }) => {
    const go = (name: string, role: CanonicalizeRole) => canonicalName(asker, chain, name, role, "client");
    return {
      ...(username && { username: await go(username, authzid ? "authcid" : "both") }),
      ...(authzid && { authzid: await go(authzid, "authzid") }),
    };
  };
}
