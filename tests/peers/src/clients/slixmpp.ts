/**
 * slixmpp over XMPP, by a small program of our own around it. It prepares the password.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Children } from "../children.js";
import type { Client, Endpoint, Login, Verdict } from "../types.js";
import { verdict } from "./verdict.js";

const program = fileURLToPath(new URL("../../python/slixmpp-login.py", import.meta.url));

const mechanisms = /^(?:PLAIN|ANONYMOUS|EXTERNAL|SCRAM-SHA-(?:1|256)(?:-PLUS)?)$/;

/** Debian's own Python, which is the one that has Debian's slixmpp. */
export const debianPython = "/usr/bin/python3";

/** slixmpp as a client. */
export class Slixmpp implements Client {
  readonly name = "slixmpp";
  readonly #children: Children;

  constructor(children: Children) {
    this.#children = children;
  }

  cannot({ protocol, channel, plus }: Endpoint, { mechanism, prep, authzid, tlsMax }: Login): string | undefined {
    if (protocol !== "xmpp") return "speaks XMPP alone";
    if (mechanism === undefined || !mechanisms.test(mechanism)) return `has no ${mechanism ?? "order of its own"}`;
    if (prep === "none") return "always prepares the password";
    if (authzid !== undefined) return "has no option for it";
    if (plus === undefined || channel === "none" || !mechanism.startsWith("SCRAM-")) return undefined;
    if (mechanism.endsWith("-PLUS")) return tlsMax === "1.2" ? undefined : "binds with tls-unique alone";
    if (plus === "every" || plus === tlsMax) return "claims that no -PLUS was offered";
    return undefined;
  }

  async attempt(endpoint: Endpoint, login: Login): Promise<Verdict> {
    const { host, port, channel, ca, domain } = endpoint;
    const { mechanism, user, password = "", certificate, tlsMax } = login;
    const jid = user === undefined ? domain : `${user}@${domain}`;
    const request = { host, port, channel, ca, jid, password, mechanism, tlsMax, ...certificate };
    const finished = await this.#children.run(debianPython, [program], { input: JSON.stringify(request) });
    const said = (word: RegExp): boolean => word.test(finished.stdout);
    return verdict(finished, said(/^accepted$/m), said(/^refused\b/m), said(/^broken failed_all_auth/m));
  }
}
