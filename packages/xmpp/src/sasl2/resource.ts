/**
 * Resources that a server gives to its clients: `[tag]/[what the server made]`. Sources: XEP-0386 §3.2.1, RFC 7622 §3.4.
 *
 * @module
 */
import { precis, SASLFailure } from "sasl-core";
import { encodeUtf8, sha256 } from "sasl-core/plugin";
import { parseJid } from "../jid.js";
import type { MaybePromise } from "./contract.js";

/**
 * Makes the resource of a new session. It is used as it is, so it has to be one: text of 1 to 1023 octets in normal form.
 *
 * @param tag what the client calls its software, fit for a resource and at most {@link MAX_TAG_OCTETS} long, but untrusted:
 *   other people get to see it, and somebody else may use the same. `undefined` when it gave none.
 * @param userAgentId a UUID that says which client it is (XEP-0388 §2.3). Never let it be seen (R-SA2-07).
 * @param account bare JID.
 */
export type ResourceRule = (
  tag: string | undefined,
  userAgentId: string | undefined,
  account: string,
) => MaybePromise<string>;

/** Longest tag, in octets of UTF-8. It says the name of some software. */
const MAX_TAG_OCTETS = 256;

/** Octets that nobody can guess: as many as a UUID has at random, and no padding in base64. */
const SUFFIX_OCTETS = 15;

/** A new resource for each session: the tag and 120 random bits. The default. */
export const randomResources: ResourceRule = (tag) =>
  withTag(tag, globalThis.crypto.getRandomValues(new Uint8Array(SUFFIX_OCTETS)));

/**
 * The same resource for each session of a client, told by account, tag and user agent id; random for one without an id.
 * Without the key nobody can tell the id from the resource, or the resource from the id.
 *
 * @param key at least 16 octets, random and secret; the same on all servers of a domain, and after a restart. Copied.
 * @throws {RangeError} for a shorter key.
 */
export function stableResources(key: Uint8Array): ResourceRule {
  if (key.length < 16) throw new RangeError("a key for resources has at least 16 octets");
  const secret = key.slice();
  return async (tag, userAgentId, account) => {
    if (userAgentId === undefined) return randomResources(tag, userAgentId, account);
    // As JSON no two triples are the same text.
    const digest = await sha256.hmac(secret, encodeUtf8(JSON.stringify([account, tag ?? null, userAgentId])));
    return withTag(tag, digest.subarray(0, SUFFIX_OCTETS));
  };
}

function withTag(tag: string | undefined, suffix: Uint8Array): string {
  const text = btoa(String.fromCharCode(...suffix));
  const made = text.replaceAll("+", "-").replaceAll("/", "_");
  return tag === undefined ? made : `${tag}/${made}`;
}

/**
 * Prepares a tag as a resource is prepared (RFC 7622 §3.4.1: OpaqueString), so that nothing in it is invisible or changes
 * what is written around it.
 *
 * @returns `undefined` for an empty one.
 * @throws {SASLFailure} `malformed-message` for one that cannot be part of a resource.
 */
export async function prepareTag(tag: string): Promise<string | undefined> {
  if (tag === "") return undefined;
  const prepared = await resourceOf(tag);
  if (prepared === undefined || octets(prepared) > MAX_TAG_OCTETS) {
    throw new SASLFailure("malformed-message", "the tag cannot be part of a resource");
  }
  return prepared;
}

/**
 * Whether a text is a resource as it stands.
 *
 * @throws {RangeError} when it is not: a rule of the application's made it.
 */
export async function checkResource(resource: string): Promise<void> {
  if (typeof resource !== "string" || (await resourceOf(resource)) !== resource) {
    throw new RangeError("the resource is none: RFC 7622 §3.4");
  }
}

/** The normal form of a resource; `undefined` when it cannot be one. */
async function resourceOf(text: string): Promise<string | undefined> {
  if (text.length > 1023) return undefined;
  try {
    return parseJid(`x/${await precis(text, "stored", "password")}`)?.resource;
  } catch {
    return undefined;
  }
}

function octets(text: string): number {
  return new TextEncoder().encode(text).length;
}
