/**
 * Whom a client certificate stands for: its e-mail and XMPP addresses in this domain, or else its common name.
 * Sources: RFC 6120 §13.7.1.4, XEP-0178 §2, RFC 5280 §4.2.1.6.
 *
 * @module
 */
import type { PeerCertificate, TLSSocket } from "node:tls";

/**
 * Local parts a verified certificate may log in as, each once.
 *
 * @param socket after its handshake, with `authorized` set by whoever verified the certificate.
 * @param domain of the accounts.
 */
export function clientNames(socket: TLSSocket, domain: string): string[] {
  if (!socket.authorized) return [];
  const { subjectaltname, subject } = socket.getPeerCertificate() as Partial<PeerCertificate>;
  const names = new Set<string>();
  for (const entry of alternativeNames(subjectaltname ?? "")) {
    const address = /^(?:email|othername:(?:XmppAddr|<XmppAddr>|1\.3\.6\.1\.5\.5\.7\.8\.5)):(.*)$/.exec(entry)?.[1];
    const at = address?.lastIndexOf("@") ?? -1;
    if (address !== undefined && at > 0 && address.slice(at + 1).toLowerCase() === domain.toLowerCase()) {
      names.add(address.slice(0, at));
    }
  }
  const common = subject?.CN;
  if (names.size === 0 && typeof common === "string" && common !== "") names.add(common);
  return [...names];
}

/** Node writes them with `, ` between, and as a JSON string where an entry itself could be misread. */
function alternativeNames(text: string): string[] {
  const entries = text.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? [];
  return entries.map((entry) => {
    const [, kind, quoted] = /^ ?([^"]*:)("(?:[^"\\]|\\.)*")$/.exec(entry) ?? [];
    if (quoted === undefined) return entry.trimStart();
    try {
      return `${kind}${String(JSON.parse(quoted))}`;
    } catch {
      return "";
    }
  });
}
