/** What a server announced before an exchange, as XEP-0474 §6.1 hashes it, and the TLS version as XEP-0515 §4.1 writes it. */
import type { MechanismContext } from "../mechanism.js";
import type { Digest } from "../runtime/contract.js";
import { encodeBase64 } from "./base64.js";

/** The lists of one profile on one stream, in any order, each name as it was sent. */
export interface Announced {
  readonly mechanisms: readonly string[];
  /** Channel-binding types (XEP-0440); `undefined` where none were announced, which is not the same as an empty list. */
  readonly bindingTypes?: readonly string[] | undefined;
}

/**
 * XEP-0474 §6.1: attribute `h` of SCRAM's server-first-message, in base64.
 *
 * @returns `undefined` when a name could be mistaken for two, or does not belong into an ASCII string.
 */
export async function announcedHash(
  ctx: Pick<MechanismContext, "bytes" | "hash">,
  digest: Digest,
  { mechanisms, bindingTypes }: Announced,
): Promise<string | undefined> {
  const lists = bindingTypes ? [mechanisms, bindingTypes] : [mechanisms];
  if (lists.flat().some((name) => !printable.test(name))) return undefined;
  const text = lists.map((list) => list.toSorted(byOctets).join("\x1e")).join("\x1f");
  return encodeBase64(await ctx.hash(digest, ctx.bytes(text)));
}

/** True for four lower-case hexadecimal digits: `0304` for TLS 1.3 (XEP-0515 §4.1). */
export function isTlsVersion(text: string): boolean {
  return /^[0-9a-f]{4}$/.test(text);
}

/** ASCII without controls, the two delimiters among them. */
const printable = /^[ -~]*$/;

/** RFC 4790 §9.3, i;octet: of ASCII, code units are octets. */
function byOctets(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
