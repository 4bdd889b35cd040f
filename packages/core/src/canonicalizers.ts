/**
 * Canonicalisers that are ready-made. A server gives them in order: `canonicalizers: [trim(), saslprepName]`.
 *
 * @module
 */
import type { Canonicalizer } from "./canonicalize.js";
import { SASLFailure, saslError } from "./errors.js";
import type { Prepare } from "./internal/context.js";
import { enforcePrecis } from "./text/precis.js";
import { saslprep } from "./text/saslprep.js";

/** Takes white space off both ends; a name of nothing else is refused. What Cyrus SASL does by itself. */
export function trim(): Canonicalizer {
  return {
    name: "trim",
    canonicalize(name) {
      const trimmed = name.trim();
      if (trimmed === "") throw new SASLFailure("malformed-message", "an identity is white space alone");
      return trimmed;
    },
  };
}

/** SASLprep (RFC 4013): what `prepare` does to names where no canonicalisers are given. */
export const saslprepName: Canonicalizer = {
  name: "saslprep",
  canonicalize: (name) => saslprep(name, "query"),
};

/** UsernameCaseMapped (RFC 8265 §3.3): `Alice` and `alice` are one. Names of several parts are refused. */
export const usernameCaseMapped: Canonicalizer = {
  name: "UsernameCaseMapped",
  canonicalize: (name) => enforcePrecis(name, "UsernameCaseMapped"),
};

/** UsernameCasePreserved (RFC 8265 §3.4): `Alice` and `alice` are two. Names of several parts are refused. */
export const usernameCasePreserved: Canonicalizer = {
  name: "UsernameCasePreserved",
  canonicalize: (name) => enforcePrecis(name, "UsernameCasePreserved"),
};

/**
 * Gives every name a realm: `alice` becomes `alice@example.com`; `bob@example.net` stays as it is.
 *
 * @param realm not empty, without `@`. Left out: the host the peer asked for, or else the server's.
 */
export function appendRealm(realm?: string): Canonicalizer {
  checkRealm(realm);
  return {
    name: "append realm",
    canonicalize(name, { host }) {
      const ending = realm ?? host?.toLowerCase();
      return name.includes("@") || !isRealm(ending) ? name : `${name}@${ending}`;
    },
  };
}

/**
 * Takes a realm off: `alice@example.com` becomes `alice`. Names of other realms stay as they are, unless they are refused.
 *
 * @param realm compared without case, not empty, without `@`. Left out: the host the peer asked for, or else the server's.
 * @param options `others: "refuse"` turns names of other realms down as `authorization-refused`.
 */
export function stripRealm(realm?: string, options: { readonly others?: "keep" | "refuse" } = {}): Canonicalizer {
  checkRealm(realm);
  return {
    name: "strip realm",
    canonicalize(name, { host }) {
      const at = name.lastIndexOf("@");
      const own = realm ?? host;
      if (at < 0 || own === undefined) return name;
      // One realm alone: what is left of a name with two of them would not be canonical.
      const local = name.slice(0, at);
      const same = name.slice(at + 1).toLowerCase() === own.toLowerCase();
      if (same && local !== "" && !local.includes("@")) return local;
      if (options.others === "refuse") throw saslError("authorization-refused", "a name of another realm");
      return name;
    },
  };
}

function checkRealm(realm: string | undefined): void {
  if (realm !== undefined && !isRealm(realm)) throw new RangeError("realm is no realm");
}

function isRealm(text: string | undefined): text is string {
  return text !== undefined && text !== "" && !text.includes("@");
}

/**
 * For the option `prepare`: PRECIS instead of SASLprep. Passwords by OpaqueString (RFC 8265 §4), names by
 * UsernameCasePreserved (§3.4) where no canonicalisers say otherwise. A store keeps to one of the two (§6).
 */
export const precis: Exclude<Prepare, string> = (text, _, what) =>
  enforcePrecis(text, what === "password" ? "OpaqueString" : "UsernameCasePreserved");
