/**
 * swaks over SMTP. It prepares nothing.
 *
 * @module
 */
import type { Children } from "../children.js";
import type { Client, Endpoint, Login, Verdict } from "../types.js";
import { verdict } from "./verdict.js";

const mechanisms = new Set(["PLAIN", "LOGIN", "CRAM-MD5"]);

/** swaks' exit status when no authentication succeeded. */
const notAuthenticated = 28;

/** swaks as a client. */
export class Swaks implements Client {
  readonly name = "swaks";
  readonly #children: Children;

  constructor(children: Children) {
    this.#children = children;
  }

  cannot({ protocol }: Endpoint, { mechanism, prep, tlsMax, authzid }: Login): string | undefined {
    if (protocol !== "smtp") return "speaks SMTP alone";
    if (mechanism === undefined || !mechanisms.has(mechanism)) return `has no ${mechanism ?? "order of its own"}`;
    if (prep === "saslprep" && mechanism === "CRAM-MD5") return "never prepares the password";
    if (tlsMax !== undefined || authzid !== undefined) return "has no option for it";
    return undefined;
  }

  async attempt({ channel, host, port, ca }: Endpoint, login: Login): Promise<Verdict> {
    const { mechanism = "", user = "", password = "" } = login;
    const args = ["--server", `${host}:${port}`, "--from", "a@localhost", "--to", "b@localhost", "--timeout", "15"];
    args.push("--auth", mechanism, "--auth-user", user, "--auth-password", password, "--quit-after", "AUTH");
    if (channel !== "none") args.push(channel === "implicit" ? "--tls-on-connect" : "--tls");
    if (channel !== "none") args.push("--tls-verify", "--tls-ca-path", ca);
    const finished = await this.#children.run("swaks", args);
    return verdict(finished, finished.exit === 0, finished.exit === notAuthenticated);
  }
}
