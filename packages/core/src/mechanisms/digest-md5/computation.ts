/**
 * What both sides compute. Source: RFC 2831 §2.1.2.1, §2.1.3. All texts are octet text.
 *
 * @module
 */
import { md5OfText } from "#soft-digests";
import type { Response } from "./messages.js";
import { hashedForm } from "./octet-text.js";

/** What of a response goes into the digests. */
export type Hashed = Pick<Response, "nonce" | "cnonce" | "nc" | "qop" | "digestUri" | "authzid">;

/** Both digests of an exchange, and the key its security layer begins with. */
export interface Digests {
  /** The client's proof: 32 hexadecimal digits. */
  readonly response: string;
  /** The server's. */
  readonly rspauth: string;
  /** H(A1), 32 hexadecimal digits. Secret. */
  readonly sessionKey: string;
}

/**
 * H(username:realm:password), 16 octets: all a server needs of a password.
 *
 * @param username as it is hashed; so is `realm`.
 * @param password the text itself.
 */
export function secretFrom(username: string, realm: string, password: string): string {
  return md5OfText(`${username}:${realm}:${hashedForm(password)}`, "octets");
}

/** @param secret what {@link secretFrom} gives. */
export function digestsFrom(secret: string, values: Hashed): Digests {
  const { nonce, cnonce, nc, qop, digestUri, authzid } = values;
  // A1 begins with 16 raw octets, and not with their digits.
  const a1 = `${secret}:${nonce}:${cnonce}`;
  const sessionKey = md5OfText(authzid === undefined ? a1 : `${a1}:${authzid}`, "hex");
  const a2 = qop === "auth" ? `:${digestUri}` : `:${digestUri}:${"0".repeat(32)}`;
  const beginning = `${sessionKey}:${nonce}:${nc}:${cnonce}:${qop}:`;
  const digest = (method: string) => md5OfText(beginning + md5OfText(method + a2, "hex"), "hex");
  return { response: digest("AUTHENTICATE"), rspauth: digest(""), sessionKey }; // §2.1.3: no method
}
