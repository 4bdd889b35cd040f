/**
 * What both sides compute. Source: RFC 2831 §2.1.2.1, §2.1.3.
 *
 * @module
 */
import { md5 } from "../../digests.js";
import { toHex } from "../../internal/hex.js";
import type { MechanismContext } from "../../mechanism.js";
import type { MaybePromise } from "../../runtime/contract.js";
import type { Response } from "./messages.js";
import { hashedForm, octetsOf, octetTextOf } from "./octet-text.js";

/** Computes digests: the context of an exchange. */
export type Hashes = Pick<MechanismContext, "hash">;

/** What of a response goes into the digests, as octet text. */
export type Hashed = Pick<Response, "nonce" | "cnonce" | "nc" | "qop" | "digestUri" | "authzid">;

/** Both digests of an exchange, and the key its security layer begins with. */
export interface Digests {
  /** The client's proof: 32 hexadecimal digits. */
  readonly response: string;
  /** The server's. */
  readonly rspauth: string;
  /** H(A1), 16 octets. Secret. */
  readonly sessionKey: Uint8Array;
}

/**
 * H(username:realm:password), 16 octets: all a server needs of a password.
 *
 * @param username octet text as it is hashed; so is `realm`.
 * @param password the text.
 */
export function secretFrom(
  { hash }: Hashes,
  username: string,
  realm: string,
  password: string,
): MaybePromise<Uint8Array> {
  return hash(md5, octetsOf(`${username}:${realm}:${hashedForm(password)}`));
}

/** @param secret what {@link secretFrom} gives. */
export async function digestsFrom({ hash }: Hashes, secret: Uint8Array, values: Hashed): Promise<Digests> {
  const { nonce, cnonce, nc, qop, digestUri, authzid } = values;
  const hex = async (text: string) => toHex(await hash(md5, octetsOf(text)));
  // A1 begins with 16 raw octets, and not with their digits.
  const a1 = `${octetTextOf(secret)}:${nonce}:${cnonce}${authzid === undefined ? "" : `:${authzid}`}`;
  const sessionKey = await hash(md5, octetsOf(a1));
  const a2 = `${digestUri}${qop === "auth" ? "" : `:${"0".repeat(32)}`}`;
  const beginning = `${toHex(sessionKey)}:${nonce}:${nc}:${cnonce}:${qop}:`;
  const response = await hex(beginning + (await hex(`AUTHENTICATE:${a2}`)));
  const rspauth = await hex(beginning + (await hex(`:${a2}`))); // §2.1.3: without the method
  return { response, rspauth, sessionKey };
}
