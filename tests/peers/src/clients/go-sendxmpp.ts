/**
 * go-sendxmpp over XMPP: binds the channel with tls-exporter and never prepares the password.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Children, Finished } from "../children.js";
import type { Client, Endpoint, Login, Verdict } from "../types.js";
import { verdict } from "./verdict.js";

const mechanisms = /^(?:SCRAM-SHA-(?:1|256|512)(?:-PLUS)?)$/;

/** go-sendxmpp as a client. */
export class GoSendxmpp implements Client {
  readonly name = "go-sendxmpp";
  readonly #children: Children;
  readonly #program: string;
  readonly #scratch: string;

  /** @param scratch folder for the home of each run, where it keeps what it learns about a server */
  constructor(children: Children, program: string, scratch: string) {
    this.#children = children;
    this.#program = program;
    this.#scratch = scratch;
  }

  cannot({ protocol, channel }: Endpoint, login: Login): string | undefined {
    if (protocol !== "xmpp") return "speaks XMPP alone";
    if (channel === "none") return "insists on TLS";
    if (login.mechanism === undefined || !mechanisms.test(login.mechanism))
      return `has no ${login.mechanism ?? "order of its own"}`;
    if (login.prep === "saslprep") return "never prepares the password";
    if (login.tlsMax !== undefined || login.certificate !== undefined || login.authzid !== undefined)
      return "has no option for it";
    return undefined;
  }

  async attempt(endpoint: Endpoint, login: Login): Promise<Verdict> {
    const { mechanism = "" } = login;
    const home = mkdtempSync(join(this.#scratch, "home-"));
    try {
      const options = ["--fast-off", "--no-sasl-upgrade", "--scram-mech-pinning", mechanism];
      const finished = await this.send(endpoint, login, home, options);
      const said = finished.stdout + finished.stderr;
      const impossible = /no viable authentication method/.test(said);
      return verdict(finished, finished.exit === 0, /auth failure/.test(said), impossible);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  }

  /** Sends a message to oneself. @param home folder where it keeps what it learns about a server */
  async send(
    { host, port, channel, ca, domain }: Endpoint,
    { user = "", password = "" }: Login,
    home: string,
    options: readonly string[] = [],
  ): Promise<Finished> {
    const jid = `${user}@${domain}`;
    const args = ["--debug", "--suppress-root-warning", ...options, "-u", jid, "-j", `${host}:${port}`, "-p", password];
    if (channel === "implicit") args.push("--tls");
    const env = { HOME: home, SSL_CERT_FILE: ca };
    return this.#children.run(this.#program, [...args, jid], { input: "hello\n", env });
  }
}
