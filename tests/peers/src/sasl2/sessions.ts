/**
 * Sessions at `sasl serve` whose connection is cut: xmpp.js takes them up with the login (XEP-0198 §9.2), after somebody else
 * could not, and slixmpp after it (§5).
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { passwordOf } from "../accounts.js";
import { debianPython } from "../clients/slixmpp.js";
import { writePasswdFile } from "../passwd-file.js";
import type { Run } from "../run.js";
import { Serve } from "../serve.js";
import type { Attempt } from "../types.js";
import { attempt, check } from "./check.js";

const xmppJs = fileURLToPath(new URL("../../node/xmpp-client-session.mjs", import.meta.url));
const slixmpp = fileURLToPath(new URL("../../python/slixmpp-session.py", import.meta.url));

/** What both programs print. */
interface Told {
  readonly jid: string;
  readonly after: string;
  readonly resumed: boolean;
}

/** What the one around xmpp.js does. */
interface ToldMore extends Told {
  readonly stranger: string;
  readonly heard: readonly string[];
  readonly again: readonly string[];
  readonly exchange: readonly string[];
}

/** @param command file of the `sasl` command */
export function xmppJsSessions(run: Run, command: string): Attempt[] {
  async function told(name: string, channel: "starttls" | "implicit", previd?: string): Promise<ToldMore> {
    const serve = await begin(run, command, name);
    try {
      const { port, ca, domain } = serve.endpoint("xmpp", channel);
      const service = `${channel === "starttls" ? "xmpp" : "xmpps"}://${domain}:${port}`;
      const [first, stranger] = ["alice", "user"].map((username) => ({ username, password: passwordOf(username) }));
      const input = JSON.stringify({ service, domain, ...first, stranger, previd });
      const env = { NODE_EXTRA_CA_CERTS: ca };
      const { exit, stdout, stderr } = await run.children.run(process.execPath, [xmppJs], { input, env });
      if (exit !== 0) throw new Error(stderr || stdout);
      return JSON.parse(stdout) as ToldMore;
    } finally {
      await serve.stop("SIGTERM");
    }
  }
  const names = { starttls: "STARTTLS", implicit: "TLS" } as const;
  return [
    ...(["starttls", "implicit"] as const).map((channel) =>
      attempt(`serve xmpp ${names[channel]} SASL2 resume alice, HT-SHA-256-NONE [R-SA2-11], by xmpp.js`, async () => {
        const { jid, after, resumed, stranger, heard, again, exchange } = await told(`serve-${channel}`, channel);
        check("the session", [resumed, after], [true, jid]);
        check("who else asked for it", stranger.startsWith("user@localhost/"), true);
        check("what was heard, and what again", [heard, again], [["one", "two"], ["two"]]);
        const login = exchange.filter((each) => each.includes("urn:xmpp:sasl:2"));
        check("elements of the login", login.length, 3); // the offer, and one each way
        check("the mechanism", login[1]?.includes('mechanism="HT-SHA-256-NONE"'), true);
      }),
    ),
    attempt("serve xmpp STARTTLS SASL2 resume alice (unknown session) [R-SA2-11], by xmpp.js", async () => {
      const { jid, after, resumed, again } = await told("serve-unknown", "starttls", "nobody");
      check("the session", [resumed, again], [false, []]);
      check("another one", [after === jid, after.startsWith("alice@localhost/")], [false, true]);
    }),
  ];
}

/** @param command file of the `sasl` command */
export function slixmppSessions(run: Run, command: string): Attempt[] {
  async function told(name: string, previd?: string): Promise<Told> {
    const serve = await begin(run, command, name);
    try {
      const { port, ca, domain } = serve.endpoint("xmpp", "starttls");
      const account = { jid: `alice@${domain}`, password: passwordOf("alice") };
      const input = JSON.stringify({ host: "127.0.0.1", port, ca, ...account, previd });
      const { exit, stdout, stderr } = await run.children.run(debianPython, [slixmpp], {
        input,
      });
      if (exit !== 0) throw new Error(stderr || stdout);
      return JSON.parse(stdout) as Told;
    } finally {
      await serve.stop("SIGTERM");
    }
  }
  return [
    attempt("serve xmpp STARTTLS SASL1 resume alice [R-XMPP-11], by slixmpp", async () => {
      const { jid, after, resumed } = await told("serve-classic");
      check("the session", [resumed, after], [true, jid]);
    }),
    attempt("serve xmpp STARTTLS SASL1 resume alice (unknown session) [R-XMPP-11], by slixmpp", async () => {
      const { jid, after, resumed } = await told("serve-classic-unknown", "nobody");
      check("the session", [resumed, after === jid, after.startsWith("alice@localhost/")], [false, false, true]);
    }),
  ];
}

/** A server of its own for one attempt. */
async function begin({ children, scratch }: Run, command: string, name: string): Promise<Serve> {
  const store = join(scratch, `users-${name}`);
  await writePasswdFile(children, store);
  return Serve.start(children, name, command, ["--store", `file:${store}`]);
}
