/**
 * The gsasl command (GNU SASL 2.2) over IMAP and SMTP. It prepares the password for CRAM-MD5 and SCRAM and takes it as
 * typed with PLAIN, LOGIN and DIGEST-MD5; it binds the channel with tls-exporter or, below TLS 1.3, tls-unique.
 *
 * @module
 */
import type { Children } from "../children.js";
import type { Client, Endpoint, Login, Verdict } from "../types.js";
import { verdict } from "./verdict.js";

const mechanisms = new Set([
  "PLAIN",
  "LOGIN",
  "ANONYMOUS",
  "EXTERNAL",
  "CRAM-MD5",
  "DIGEST-MD5",
  "SCRAM-SHA-1",
  "SCRAM-SHA-1-PLUS",
  "SCRAM-SHA-256",
  "SCRAM-SHA-256-PLUS",
]);

const preparing = /^(?:CRAM|SCRAM)-/;

/** The gsasl command as a client. */
export class Gsasl implements Client {
  readonly name = "gsasl";
  readonly #children: Children;

  constructor(children: Children) {
    this.#children = children;
  }

  cannot({ protocol, channel }: Endpoint, { mechanism, prep }: Login): string | undefined {
    if (protocol === "xmpp") return "speaks no XMPP";
    if (channel === "implicit") return "does TLS by STARTTLS alone";
    if (mechanism === undefined || !mechanisms.has(mechanism)) return `has no ${mechanism ?? "order of its own"}`;
    if (prep === "saslprep" && mechanism === "DIGEST-MD5") return "never prepares the password for it";
    if (prep === "none" && preparing.test(mechanism)) return "always prepares the password";
    return undefined;
  }

  async attempt(endpoint: Endpoint, login: Login): Promise<Verdict> {
    const { mechanism = "", user = "", password = "", authzid, certificate } = login;
    const args = [
      `--${endpoint.protocol}`,
      `--connect=${endpoint.host}:${endpoint.port}`,
      `--x509-ca-file=${endpoint.ca}`,
      `--mechanism=${mechanism}`,
      `--authentication-id=${user}`,
      `--realm=${endpoint.domain}`,
      "--anonymous-token=guest@localhost",
      `--password=${password}`,
      endpoint.channel === "starttls" ? "--starttls" : "--no-starttls",
    ];
    // Without this it refuses SCRAM on any connection it could bind.
    if (!mechanism.endsWith("-PLUS")) args.push("--no-cb");
    if (authzid !== undefined) args.push(`--authorization-id=${authzid}`);
    else if (mechanism === "EXTERNAL") args.push(`--authorization-id=${user}`);
    if (login.tlsMax === "1.2") args.push("--priority=NORMAL:-VERS-TLS1.3");
    if (certificate !== undefined) {
      args.push(`--x509-cert-file=${certificate.cert}`, `--x509-key-file=${certificate.key}`);
    }
    const finished = await this.#children.run("gsasl", args);
    // It understands some refusals by their code alone, and of the others only that they are not what it waits for.
    const refusal = /gsasl: (?:server|mechanism) (?:error|unavailable)|could not parse server data:\s*5\d\d /;
    return verdict(finished, finished.exit === 0, refusal.test(finished.stderr));
  }
}
