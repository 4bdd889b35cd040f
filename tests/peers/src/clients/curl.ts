/**
 * curl over IMAP and SMTP, TLS of either kind. It prepares nothing.
 *
 * @module
 */
import type { Children } from "../children.js";
import type { Client, Endpoint, Login, Verdict } from "../types.js";
import { verdict } from "./verdict.js";

const mechanisms = new Set(["PLAIN", "LOGIN", "CRAM-MD5", "EXTERNAL", "OAUTHBEARER", "XOAUTH2"]);

/** curl's exit status for credentials that were refused. */
const loginDenied = 67;

/** curl as a client. */
export class Curl implements Client {
  readonly name = "curl";
  readonly #children: Children;

  constructor(children: Children) {
    this.#children = children;
  }

  cannot({ protocol, lacks = [] }: Endpoint, { mechanism, prep }: Login): string | undefined {
    if (protocol === "xmpp") return "speaks no XMPP";
    if (mechanism === undefined || !mechanisms.has(mechanism)) return `has no ${mechanism ?? "order of its own"}`;
    if (prep === "saslprep" && mechanism === "CRAM-MD5") return "never prepares the password";
    if (mechanism === "XOAUTH2" && !lacks.includes("OAUTHBEARER")) return "takes OAUTHBEARER where it can";
    return undefined;
  }

  async attempt(endpoint: Endpoint, login: Login): Promise<Verdict> {
    const { protocol, channel, host, port, ca } = endpoint;
    const { mechanism = "", user = "", password = "", token, authzid, certificate } = login;
    const scheme = channel === "implicit" ? `${protocol}s` : protocol;
    const args = ["--silent", "--show-error", "--cacert", ca, "--max-time", "15", "--user", `${user}:${password}`];
    args.push("--login-options", `AUTH=${mechanism}`, "--request", "NOOP");
    if (channel === "starttls") args.push("--ssl-reqd");
    if (login.initialResponse === true) args.push("--sasl-ir");
    if (token !== undefined) args.push("--oauth2-bearer", token);
    if (authzid !== undefined) args.push("--sasl-authzid", authzid);
    if (login.tlsMax !== undefined) args.push("--tls-max", login.tlsMax);
    if (certificate !== undefined) args.push("--cert", certificate.cert, "--key", certificate.key);
    const finished = await this.#children.run("curl", [...args, `${scheme}://${host}:${port}/`]);
    return verdict(finished, finished.exit === 0, finished.exit === loginDenied);
  }
}
