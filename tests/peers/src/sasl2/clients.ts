/**
 * Other people's clients at our server: those that know SASL2, Bind 2 and FAST, and one that does not. To all of them SCRAM
 * says a hash of the lists (XEP-0474), which go-sendxmpp compares and the others have to pass over.
 *
 * @module
 */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { newUserAgentId } from "sasl-xmpp";
import { passwordOf, wrongPassword } from "../accounts.js";
import type { Children } from "../children.js";
import type { GoSendxmpp } from "../clients/go-sendxmpp.js";
import type { Slixmpp } from "../clients/slixmpp.js";
import type { Attempt, Login } from "../types.js";
import { attempt, check } from "./check.js";
import { Service } from "./service.js";

const alice = { user: "alice", password: passwordOf("alice") };
const channels = { starttls: "STARTTLS", implicit: "TLS", ws: "ws", wss: "wss" } as const;
const program = fileURLToPath(new URL("../../node/xmpp-client-login.mjs", import.meta.url));

/** A server of its own for one attempt. */
async function withService(tls: string, binding: boolean, work: (service: Service) => Promise<void>): Promise<void> {
  const service = await Service.start(tls, binding);
  try {
    await work(service);
    check("faults of the server", service.faults, []);
  } finally {
    service.close();
  }
}

function nameOf(what: string, channel: Way, ids: string, client: string): string {
  return `listener xmpp ${channels[channel]} ${what} [${ids}], by ${client}`;
}

/** What the program prints for each login. */
interface Told {
  readonly jid?: string;
  readonly error?: string;
  readonly exchange: readonly string[];
}

/** Ways to the listener, as URLs and the report name them. */
const schemes = { starttls: "xmpp", implicit: "xmpps", ws: "ws", wss: "wss" } as const;
type Way = keyof typeof schemes;

/** @param tls folder of the certificates */
export function xmppJsAttempts(children: Children, tls: string): Attempt[] {
  async function logIn(service: Service, way: Way, password: string, spoil: boolean[]) {
    const endpoint =
      way === "ws" || way === "wss"
        ? await service.listenWeb("listener", way === "ws" ? "none" : "implicit")
        : await service.listen("listener", way);
    const { port, ca, domain } = endpoint;
    const url = `${schemes[way]}://${domain}:${port}`;
    const request = { service: url, domain, username: alice.user, password, userAgent: newUserAgentId(), spoil };
    const env = { NODE_EXTRA_CA_CERTS: ca };
    const { stdout, stderr } = await children.run(process.execPath, [program], { input: JSON.stringify(request), env });
    const lines = stdout.trim().split("\n");
    if (lines.length !== spoil.length) throw new Error(stderr);
    return lines.map((line) => JSON.parse(line) as Told);
  }
  const rows: readonly [way: Way, binding: boolean][] = [
    ["starttls", true],
    ["implicit", false],
    ["wss", false],
  ];
  return [
    ...rows.flatMap(([way, binding]) => [
      attempt(
        nameOf("SASL2 SCRAM-SHA-1 and FAST HT-SHA-256-NONE alice, Bind 2", way, "R-FAST-01 R-SSDP-04", "xmpp.js"),
        () =>
          withService(tls, binding, async (service) => {
            const told = await logIn(service, way, alice.password, [false, false, true, false]);
            check(
              "errors",
              told.map(({ error }) => error ?? null),
              [null, null, null, null],
            );
            const [password, token] = ["SCRAM-SHA-1", "HT-SHA-256-NONE"];
            check(
              "mechanisms",
              service.logins.map(({ mechanism }) => mechanism),
              [password, token, password, token],
            );
            check("failures", service.failures, [`${token} refused`]); // the third, and on the same stream the password
            const sessions = service.logins.map(({ jid, resource }) => `${jid}/${resource}`);
            check(
              "sessions",
              told.map(({ jid }) => jid),
              sessions,
            );
            check("profiles", new Set(service.logins.map(({ profile }) => profile)).size, 1);
            check("the hash of the lists", hashesIn(told[0]?.exchange ?? []), 1);
          }),
      ),
      attempt(nameOf("SASL2 SCRAM-SHA-1 alice (wrong password)", way, "R-SA2-13", "xmpp.js"), () =>
        withService(tls, binding, async (service) => {
          const [told] = await logIn(service, way, wrongPassword, [false]);
          check("the error", told?.error?.includes("not-authorized"), true);
          check("failures", service.failures, ["SCRAM-SHA-1 refused"]);
          check("tokens", (await service.tokens.list(alice.user)).length, 0);
        }),
      ),
    ]),
    attempt(nameOf("SASL1 SCRAM-SHA-1 alice", "ws", "R-SA2-01 R-XMPP-11", "xmpp.js"), () =>
      withService(tls, false, async (service) => {
        const [told] = await logIn(service, "ws", alice.password, [false]);
        check("the error", told?.error ?? null, null);
        check(
          "logins",
          service.logins.map(({ profile, mechanism }) => [profile, mechanism]),
          [["sasl1", "SCRAM-SHA-1"]],
        );
      }),
    ),
    attempt(nameOf("SASL1 SCRAM-SHA-1 alice (wrong password)", "ws", "R-SA2-01", "xmpp.js"), () =>
      withService(tls, false, async (service) => {
        const [told] = await logIn(service, "ws", wrongPassword, [false]);
        check("the error", told?.error?.includes("not-authorized"), true);
        check("failures", service.failures, ["SCRAM-SHA-1 refused"]);
      }),
    ),
  ];
}

/** Challenges of SCRAM with the attribute of XEP-0474. */
function hashesIn(exchange: readonly string[]): number {
  const challenges = exchange.flatMap((each) => /^S: <challenge[^>]*>([^<]*)</.exec(each)?.[1] ?? []);
  return challenges.filter((each) => /,h=[^,]+/.test(Buffer.from(each, "base64").toString())).length;
}

/** @param scratch folder for what it keeps between logins */
export function goSendxmppAttempts(client: GoSendxmpp, tls: string, scratch: string): Attempt[] {
  return (["starttls", "implicit"] as const).flatMap((channel) => [
    attempt(
      nameOf("SASL2 and FAST HT-SHA-256-EXPR alice, Bind 2, XEP-0474", channel, "R-FAST-06 R-SSDP-01", "go-sendxmpp"),
      () =>
        withService(tls, true, async (service) => {
          const endpoint = await service.listen("listener", channel);
          const home = mkdtempSync(join(scratch, "home-"));
          for (let login = 1; login <= 2; login++) {
            const { exit, stdout, stderr } = await client.send(endpoint, alice, home, ["--no-sasl-upgrade"]);
            if (exit !== 0) throw new Error((stdout + stderr).slice(-2000));
          }
          const expected = ["SCRAM-SHA-256-PLUS", "HT-SHA-256-EXPR"];
          check(
            "mechanisms",
            service.logins.map(({ mechanism }) => mechanism),
            expected,
          );
          check("tokens", (await service.tokens.list(alice.user)).length, 1);
          check("failures", service.failures, []);
        }),
    ),
    attempt(nameOf("SASL2 upgrade to SCRAM-SHA-512", channel, "R-UPGR-02 R-UPGR-04", "go-sendxmpp"), () =>
      withService(tls, true, async (service) => {
        const endpoint = await service.listen("listener", channel);
        const home = mkdtempSync(join(scratch, "home-"));
        const { exit, stdout, stderr } = await client.send(endpoint, alice, home, ["--fast-off"]);
        if (exit !== 0) throw new Error((stdout + stderr).slice(-2000));
        check("verifiers", await service.upgraded(alice.user), true);
      }),
    ),
    attempt(nameOf("SASL2 alice (wrong password)", channel, "R-SA2-13", "go-sendxmpp"), () =>
      withService(tls, true, async (service) => {
        const endpoint = await service.listen("listener", channel);
        const login = { ...alice, password: wrongPassword };
        const { exit } = await client.send(endpoint, login, mkdtempSync(join(scratch, "home-")));
        check("the exit", exit === 0, false);
        check("failures", service.failures, ["SCRAM-SHA-256-PLUS refused"]);
      }),
    ),
  ]);
}

/** The classic profile at a server that offers SASL2 beside it. */
export function slixmppAttempts(client: Slixmpp, tls: string): Attempt[] {
  const rows: readonly [binding: boolean, login: Login][] = [
    [true, { mechanism: "SCRAM-SHA-256-PLUS", tlsMax: "1.2" }],
    [true, { mechanism: "PLAIN" }],
    [false, { mechanism: "SCRAM-SHA-256" }],
    [false, { mechanism: "SCRAM-SHA-1", tlsMax: "1.2" }],
  ];
  return rows.map(([binding, login]) => {
    const what = `SASL1 ${login.mechanism} alice${login.tlsMax ? ` TLS ${login.tlsMax}` : ""}`;
    return attempt(nameOf(what, "starttls", "R-SSDP-04", "slixmpp"), () =>
      withService(tls, binding, async (service) => {
        const endpoint = await service.listen("listener", "starttls");
        const { outcome, detail } = await client.attempt(endpoint, { ...login, ...alice });
        if (outcome !== "accepted") throw new Error(detail);
        check(
          "logins",
          service.logins.map(({ profile, mechanism }) => [profile, mechanism]),
          [["sasl1", login.mechanism]],
        );
      }),
    );
  });
}
