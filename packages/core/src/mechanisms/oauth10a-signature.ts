/**
 * What an OAuth 1.0a signature is made over, and the one by HMAC-SHA1. Source: RFC 5849 §3.4, with the values of RFC 7628 §3.
 *
 * @module
 */
import { sha1 } from "../digests.js";
import { SASLFailure } from "../errors.js";
import { encodeBase64 } from "../internal/base64.js";
import { encodeUtf8 } from "../internal/text.js";
import { malformed } from "./oauth-messages.js";

/** What of an HTTP request is signed, with the values RFC 7628 §3.1.1 gives it where the client says nothing. */
export interface SignedRequest {
  readonly host: string;
  readonly port: string;
  readonly method?: string | undefined;
  readonly path?: string | undefined;
  readonly query?: string | undefined;
  readonly post?: string | undefined;
}

/** RFC 5849 §3.4.1, with RFC 7628 §3.3: the scheme is http, and a port other than 80 is part of the URL. */
export function signatureBase(
  { host, port, method = "POST", path = "/", query = "", post = "" }: SignedRequest,
  signed: readonly (readonly [string, string])[],
): string {
  const url = `http://${host.toLowerCase()}${port === "80" ? "" : `:${port}`}${path}`;
  const parameters = [...signed, ...formParameters(query), ...formParameters(post)]
    .map(([name, value]) => [percentEncoded(name), percentEncoded(value)] as const)
    .sort(([a, x], [b, y]) => order(a, b) || order(x, y))
    .map(([name, value]) => `${name}=${value}`);
  return [method.toUpperCase(), url, parameters.join("&")].map(percentEncoded).join("&");
}

/** Of a header, a query or a body: what takes its time is to put them in order (R-LIM-02). */
const maxParameters = 1000;

/** @throws {SASLFailure} `limit-exceeded` for more than 1000. */
export function partsOf(list: string, separator: string): string[] {
  const parts = list.split(separator, maxParameters + 1);
  if (parts.length > maxParameters) throw new SASLFailure("limit-exceeded", "OAuth message with too many parameters");
  return parts;
}

function order(a: string, b: string): number {
  return a < b ? -1 : Number(a > b); // by octets: what is compared is ASCII
}

/** RFC 5849 §3.4.1.3.1: application/x-www-form-urlencoded. */
function formParameters(text: string): [string, string][] {
  if (text === "") return [];
  return partsOf(text, "&").map((pair) => {
    const at = pair.indexOf("=");
    const [name, value] = at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
    return [percentDecoded(name.replaceAll("+", " ")), percentDecoded(value.replaceAll("+", " "))];
  });
}

/** RFC 5849 §3.6: everything but letters, digits and `-._~`. */
export function percentEncoded(text: string): string {
  const rest = (each: string) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`;
  if (!text.isWellFormed()) throw malformed("a lone surrogate");
  return encodeURIComponent(text).replace(/[!'()*]/g, rest);
}

export function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw malformed("a percent-encoding that is none");
  }
}

/** Name of the one method that is computed here. */
export const hmacSha1: string = "HMAC-SHA1";

/** RFC 5849 §3.4.2. */
export async function hmacSha1Signature(
  baseString: string,
  {
    consumerSecret = "",
    tokenSecret = "",
  }: { readonly consumerSecret?: string | undefined; readonly tokenSecret?: string | undefined },
): Promise<string> {
  const key = `${percentEncoded(consumerSecret)}&${percentEncoded(tokenSecret)}`;
  return encodeBase64(await sha1.hmac(encodeUtf8(key), encodeUtf8(baseString)));
}
