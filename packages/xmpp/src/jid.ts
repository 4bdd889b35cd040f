/**
 * Jabber identifiers, as far as authentication needs them. Source: RFC 7622, RFC 6120 §6.3.8.
 *
 * @module
 */
import { type Canonicalizer, SASLFailure, saslError } from "sasl-core";

/** A JID taken apart and normalised. Each part is 1 to 1023 octets of UTF-8 where it is there (RFC 7622 §3.1). */
export interface JID {
  readonly local: string | undefined;
  /** ASCII form, lower case: internationalised labels start with `xn--`. */
  readonly domain: string;
  readonly resource: string | undefined;
}

/** RFC 7622 §3.3.1 and, from its base class (RFC 8264 §9), white space, controls and what is neither seen nor assigned. */
const badLocal = /["&'/:<>@\s\p{C}\p{Z}]/u;
const badResource = /[\p{Cc}\p{Cs}\p{Cn}]/u;
/** What a URL parser would take for something else than a part of the host. */
const badDomain = /[^\p{L}\p{M}\p{N}.\-:[\]\u3002\uff0e\uff61]/u;

const encoder = new TextEncoder();

/**
 * Takes a JID apart. Local parts are compared without case and in normal form C (UsernameCaseMapped, RFC 8265 §3.3);
 * domains in the ASCII form that the URL standard gives (UTS 46), without a final dot (RFC 7622 §3.2).
 *
 * @returns `undefined` for what is no JID.
 */
export function parseJid(text: string): JID | undefined {
  const slash = text.indexOf("/");
  const bare = slash < 0 ? text : text.slice(0, slash);
  const resource = slash < 0 ? undefined : text.slice(slash + 1).normalize("NFC");
  const at = bare.indexOf("@");
  const local = at < 0 ? undefined : normalizeLocal(bare.slice(0, at));
  const domain = normalizeDomain(bare.slice(at + 1));
  if (domain === undefined || (at >= 0 && local === undefined)) return undefined;
  if (resource !== undefined && (!fits(resource) || badResource.test(resource))) return undefined;
  return { local, domain, resource };
}

/** The text of a JID. Inverse of {@link parseJid} up to normalisation. */
export function formatJid({ local, domain, resource }: Pick<JID, "domain"> & Partial<JID>): string {
  return `${local === undefined ? "" : `${local}@`}${domain}${resource === undefined ? "" : `/${resource}`}`;
}

/** A local part in the form it is compared in; `undefined` when it cannot be one. */
export function normalizeLocal(text: string): string | undefined {
  const local = text.normalize("NFC").toLowerCase().normalize("NFC");
  return fits(local) && !badLocal.test(local) ? local : undefined;
}

/** A domain in the form it is compared in; `undefined` when it cannot be one. */
export function normalizeDomain(text: string): string | undefined {
  if (!fits(text) || badDomain.test(text)) return undefined;
  try {
    const url = new URL(`http://${text}`);
    const domain = url.hostname.replace(/\.$/, "");
    const whole = url.port === "" && url.pathname === "/" && !text.endsWith(":");
    return whole && fits(domain) && !domain.split(".").includes("") ? domain : undefined;
  } catch {
    return undefined;
  }
}

function fits(part: string): boolean {
  return part.length > 0 && part.length <= 1023 && encoder.encode(part).length <= 1023;
}

/**
 * For the option `canonicalizers` of a `SASLServer` that speaks XMPP: account names are local parts; an authzid is the
 * bare JID of an account of this host, without a resource (RFC 6120 §6.3.8, R-XMPP-18). On a connection to one host, that
 * of another is somebody else's.
 *
 * @param hosts domains whose accounts these are; an account is the same at each of them.
 * @returns a rule that gives the local part, and throws `authorization-refused` for any other authzid and for a user
 *   name at another domain, and `malformed-message` for a user name that is no local part.
 */
export function bareJid(hosts: readonly string[]): Canonicalizer {
  const served = new Set(hosts.map((host) => normalizeDomain(host)));
  return {
    name: "bare JID",
    side: "server",
    canonicalize(name, request) {
      const jid = request.role === "authzid" || name.includes("@") ? parseJid(name) : undefined;
      const host = request.host === undefined ? jid?.domain : normalizeDomain(request.host);
      const known = jid !== undefined && jid.domain === host && served.has(host);
      const here = known && jid.resource === undefined ? jid.local : undefined;
      if (jid !== undefined && !known) throw saslError("authorization-refused", "a JID of another host");
      if (request.role === "authzid") {
        if (here === undefined) throw saslError("authorization-refused", "the authzid is no bare JID of this host");
        return here;
      }
      const local = here ?? normalizeLocal(name);
      if (local === undefined) throw new SASLFailure("malformed-message", "the user name is no local part of a JID");
      return local;
    },
  };
}
