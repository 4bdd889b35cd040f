/**
 * imtest and smtptest of Cyrus IMAP, with Cyrus SASL below: SCRAM with every SHA-2, and passwords used as typed.
 * They name the authentication identity as authorization identity too, and go on when the certificate is not trusted.
 *
 * @module
 */
import type { Children } from "../children.js";
import type { Client, Endpoint, Login, Verdict } from "../types.js";
import { verdict } from "./verdict.js";

const mechanisms = /^(?:PLAIN|LOGIN|ANONYMOUS|CRAM-MD5|SCRAM-SHA-(?:1|224|256|384|512))$/;

const prepared = /^(?:CRAM|SCRAM)-/;

/** Where Debian keeps the two. */
export const cyrusFolder = "/usr/lib/cyrus/bin";

/** imtest and smtptest as a client. */
export class Cyrus implements Client {
  readonly name = "cyrus";
  readonly #children: Children;

  constructor(children: Children) {
    this.#children = children;
  }

  cannot({ protocol }: Endpoint, { mechanism, prep, tlsMax, certificate }: Login): string | undefined {
    if (protocol === "xmpp") return "speaks no XMPP";
    if (mechanism === undefined || !mechanisms.test(mechanism)) return `has no ${mechanism ?? "order of its own"}`;
    if (prep === "saslprep" && prepared.test(mechanism)) return "never prepares the password";
    if (tlsMax !== undefined || certificate !== undefined) return "has no option for it";
    return undefined;
  }

  async attempt({ protocol, channel, host, port, domain }: Endpoint, login: Login): Promise<Verdict> {
    const { mechanism = "", user = "", password = "", authzid = user } = login;
    const tool = `${cyrusFolder}/${protocol === "imap" ? "imtest" : "smtptest"}`;
    const args = [
      "-oL",
      tool,
      "-m",
      mechanism,
      "-a",
      user,
      "-u",
      authzid,
      "-r",
      domain,
      "-w",
      password,
      "-p",
      String(port),
    ];
    if (channel === "implicit") args.push("-s");
    else if (channel === "starttls") args.push("-t", "");
    const finished = await this.#children.run("stdbuf", [...args, host], {
      answer: { after: /^Security strength factor:/m, send: protocol === "imap" ? ". LOGOUT\r\n" : "QUIT\r\n" },
    });
    const accepted = /^Authenticated\./m.test(finished.stdout);
    return verdict(finished, accepted, /^Authentication failed\./m.test(finished.stdout));
  }
}
