/**
 * Sessions of xmpp.js at `sasl serve` whose connection is cut: it takes them up with the login (XEP-0198 §9.2), after somebody
 * else could not.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { passwordOf } from "../accounts.js";
import { writePasswdFile } from "../passwd-file.js";
import type { Run } from "../run.js";
import { Serve } from "../serve.js";
import type { Attempt } from "../types.js";
import { attempt, check } from "./check.js";

const program = fileURLToPath(new URL("../../node/xmpp-client-session.mjs", import.meta.url));

/** What the program prints. */
interface Told {
  readonly jid: string;
  readonly after: string;
  readonly resumed: boolean;
  readonly stranger: string;
  readonly heard: readonly string[];
  readonly again: readonly string[];
  readonly exchange: readonly string[];
}

/** @param command file of the `sasl` command */
export function xmppJsSessions({ children, scratch }: Run, command: string): Attempt[] {
  async function told(name: string, channel: "starttls" | "implicit", previd?: string): Promise<Told> {
    const store = join(scratch, `users-${name}`);
    await writePasswdFile(children, store);
    const serve = await Serve.start(children, name, command, ["--store", `file:${store}`]);
    try {
      const { port, ca, domain } = serve.endpoint("xmpp", channel);
      const service = `${channel === "starttls" ? "xmpp" : "xmpps"}://${domain}:${port}`;
      const [first, stranger] = ["alice", "user"].map((username) => ({ username, password: passwordOf(username) }));
      const input = JSON.stringify({ service, domain, ...first, stranger, previd });
      const env = { NODE_EXTRA_CA_CERTS: ca };
      const { exit, stdout, stderr } = await children.run(process.execPath, [program], { input, env });
      if (exit !== 0) throw new Error(stderr || stdout);
      return JSON.parse(stdout) as Told;
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
