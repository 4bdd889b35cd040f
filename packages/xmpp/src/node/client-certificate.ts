/**
 * Whom a client certificate stands for in XMPP, at both ends: its XMPP addresses. Sources: XEP-0178 §2, RFC 6120 §13.7.1.4.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import type { PeerCertificate, TLSSocket } from "node:tls";
import { tlsFacts } from "sasl-core/node";
import type { ExternalIdentity } from "sasl-core/plugin";
import { formatJid, normalizeDomain, parseJid } from "../jid.js";

/** What {@link certificateIdentity} may be told. */
export interface CertificateIdentityOptions {
  /** Domains whose accounts these are: addresses elsewhere are not for this server to judge. */
  readonly hosts: readonly string[];
  /**
   * Bare JIDs that a certificate stands for which has no XMPP address at all, such as by its common name, for a CA that
   * gives those to the right people alone (XEP-0178 §2, step 11). Default none.
   */
  readonly lookup?: ((certificate: PeerCertificate) => readonly string[]) | undefined;
}

/**
 * For the option `external` of an `XMPPListener`: a client may be whom its certificate names by id-on-xmppAddr. With several
 * such addresses it has to say which; e-mail addresses and host names are none.
 *
 * @returns a function that gives bare JIDs, normalised; `undefined` for a certificate that was not verified or stands for
 *   nobody here, and EXTERNAL is not offered then (R-EXT-01).
 */
export function certificateIdentity(
  options: CertificateIdentityOptions,
): (socket: TLSSocket) => ExternalIdentity | undefined {
  const hosts = new Set(options.hosts.map((host) => normalizeDomain(host)));
  return (socket) => {
    if (tlsFacts(socket)?.verified !== true) return undefined;
    const certificate = socket.getPeerCertificate();
    const written = writtenAddresses(certificate.subjectaltname);
    const addresses = bareJids(written.length > 0 ? written : (options.lookup?.(certificate) ?? []));
    const names = addresses.filter((jid) => hosts.has(parseJid(jid)?.domain));
    return names.length > 0 ? { names } : undefined;
  };
}

/**
 * The authzid that a client has to send with EXTERNAL to be this JID: none where its certificate says the same and nothing
 * else, or names nobody, so that the server knows (XEP-0178 §2, step 10).
 *
 *     EXTERNAL({ authzid: certificateAuthzid(cert, "juliet@example.com") })
 *
 * @param certificate the client's own, PEM or DER.
 * @throws {RangeError} for what is no JID with a local part.
 */
export function certificateAuthzid(certificate: string | Uint8Array, jid: string): string | undefined {
  const [wanted] = bareJids([jid.split("/", 1)[0] as string]);
  if (wanted === undefined) throw new RangeError("not the JID of an account");
  const addresses = bareJids(writtenAddresses(new X509Certificate(certificate).subjectAltName));
  return addresses.length === 0 || (addresses.length === 1 && addresses[0] === wanted) ? undefined : wanted;
}

/** Those that are bare JIDs of accounts, normalised, each once. */
function bareJids(texts: readonly string[]): string[] {
  const jids = texts.map((text) => parseJid(text)).filter((jid) => jid?.local !== undefined && !jid.resource);
  return [...new Set(jids.map((jid) => formatJid(jid as NonNullable<typeof jid>)))];
}

/**
 * What the entries of type id-on-xmppAddr say. Node writes all entries into one text, with `, ` between; one that could be
 * misread is a JSON string, so that an entry of another type never looks like one of these.
 */
function writtenAddresses(alternativeNames: string | undefined): string[] {
  const entries = (alternativeNames ?? "").match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? [];
  return entries.flatMap((entry) => {
    const [, plain, quoted] = /^ ?othername:(?:([^"]*)|("(?:[^"\\]|\\.)*"))$/.exec(entry) ?? [];
    const text = plain ?? textOfJson(quoted);
    return text.startsWith(PREFIX) ? [text.slice(PREFIX.length)] : [];
  });
}

const PREFIX = "XmppAddr:";

/** Empty for what is none. */
function textOfJson(json: string | undefined): string {
  try {
    return json === undefined ? "" : String(JSON.parse(json));
  } catch {
    return "";
  }
}
