/**
 * xmpp.js with `sasl-xmpp-js`: at Prosody 0.12 and 13, and at `sasl serve`; and the programs of its README, as they stand
 * there but for the port.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { passwordOf, wrongPassword } from "../accounts.js";
import type { Run } from "../run.js";
import { attempt, check } from "../sasl2/check.js";
import { webPath } from "../sasl2/prosody-web.js";
import { Serve } from "../serve.js";
import { endpointOf, type Server } from "../servers.js";
import type { Attempt, Endpoint } from "../types.js";
import { readmeProgram } from "./readme.js";

const program = fileURLToPath(new URL("../../node/xmpp-js-adapter-login.mjs", import.meta.url));
/** For the names of attempts at a server that need not start. */
const nowhere: Endpoint = {
  server: "serve",
  protocol: "xmpp",
  channel: "starttls",
  host: "localhost",
  port: 0,
  ca: "",
  domain: "localhost",
};

/** What the program prints for each login. */
interface Told {
  readonly code?: string;
  readonly status?: string;
  readonly jid?: string;
  readonly profile?: string;
  readonly mechanism?: string;
  readonly channelBinding?: string;
  readonly serverVerified?: boolean;
  readonly bindings?: number;
  readonly answered?: boolean;
}

/** A way to a server, and what it must come to there. */
interface Place {
  readonly endpoint: Endpoint;
  readonly url: string;
  readonly way: string;
  readonly sasl2: boolean;
  readonly username: string;
  /** What the login is bound to; `undefined` for nothing. */
  readonly binding: string | undefined;
}

/** Starts a server of ours where any attempt at it is wanted. @param command file of the `sasl` command */
export async function xmppJs(run: Run, command: string, servers: readonly Server[]): Promise<void> {
  const real = servers.flatMap(placesAt).flatMap((place) => attemptsAt(run, place));
  const named = attemptsAtServe(run, () => nowhere);
  if (run.options.list || !named.some(({ name }) => run.wants(name))) return run.attempts([...real, ...named]);
  const serve = await Serve.start(run.children, "serve", command, []);
  await run.attempts([...real, ...attemptsAtServe(run, (channel) => serve.endpoint("xmpp", channel))]);
  await serve.stop("SIGTERM");
}

function attemptsAtServe(run: Run, endpoint: (channel: "starttls" | "implicit") => Endpoint): Attempt[] {
  return [
    ...attemptsAt(run, placeOf(endpoint("starttls"), "xmpp", true, "tls-exporter")),
    ...attemptsAt(run, placeOf(endpoint("implicit"), "xmpps", true, "tls-exporter")),
    ...readmeAttempts(run, endpoint("starttls")),
  ];
}

/** Prosody 0.12 binds with TLS 1.2 alone, and has no SASL2. */
function placesAt(server: Server): Place[] {
  if (server.kind !== "prosody" && server.kind !== "prosody13") return [];
  const sasl2 = server.kind === "prosody13";
  const binding = sasl2 ? "tls-exporter" : undefined;
  const ways = [
    ["c2s", "starttls", "xmpp"],
    ["c2s_direct_tls", "implicit", "xmpps"],
    ["https", "implicit", "wss"],
  ] as const;
  return ways.flatMap(([port, channel, scheme]) => {
    const endpoint = endpointOf(server, port, "xmpp", channel);
    return endpoint ? [placeOf(endpoint, scheme, sasl2, scheme === "wss" ? undefined : binding)] : [];
  });
}

function placeOf(endpoint: Endpoint, scheme: "xmpp" | "xmpps" | "wss", sasl2: boolean, binding?: string): Place {
  const url = `${scheme}://${endpoint.host}:${endpoint.port}${scheme === "wss" ? webPath : ""}`;
  const username = endpoint.server === "serve" ? "user" : "alice"; // who is there without a store
  return { endpoint, username, url, way: { xmpp: "STARTTLS", xmpps: "TLS", wss: "wss" }[scheme], sasl2, binding };
}

function attemptsAt(run: Run, place: Place): Attempt[] {
  const { endpoint, username, url, way, sasl2, binding } = place;
  const named = (what: string, ids: string) =>
    `${endpoint.server} xmpp ${way} ${what} ${username} [${ids}], by xmpp.js with sasl-xmpp-js`;
  const right = passwordOf(username);

  async function logIn(passwords: readonly string[], withSASL2: boolean): Promise<readonly Told[]> {
    const policy = binding === undefined ? "prefer" : "require";
    const { domain } = endpoint;
    const request = { service: url, domain, username, passwords, sasl2: withSASL2, binding: policy };
    const env = { NODE_EXTRA_CA_CERTS: endpoint.ca };
    const { stdout, stderr } = await run.children.run(process.execPath, [program], {
      input: JSON.stringify(request),
      env,
    });
    const lines = stdout.trim().split("\n");
    if (lines.length !== passwords.length || stderr !== "") throw new Error(`${stdout}${stderr}`);
    return lines.map((line) => JSON.parse(line) as Told);
  }

  function checkLogin(told: Told | undefined, profile: string, mechanism: RegExp, bindings: number): void {
    check(`an error (${JSON.stringify(told)})`, told?.code ?? null, null);
    check("the profile", told?.profile, profile);
    check(`the mechanism ${told?.mechanism}`, mechanism.test(told?.mechanism ?? ""), true);
    check("the binding", told?.channelBinding ?? null, binding ?? null);
    check("the server", told?.serverVerified, true);
    check("bound the old way", told?.bindings, bindings);
    check("the session", [told?.jid?.startsWith(`${username}@${endpoint.domain}/`), told?.answered], [true, true]);
  }

  const scram = binding === undefined ? /^SCRAM-SHA-\d+$/ : /^SCRAM-SHA-\d+-PLUS$/;
  return [
    attempt(named("SASL1 SCRAM", "R-XMPP-11 R-GEN-32"), async () => {
      const [first, second] = await logIn([right, right], false);
      checkLogin(first, "sasl1", scram, 1);
      checkLogin(second, "sasl1", scram, 1);
    }),
    attempt(named("SASL1 SCRAM (wrong password, then the right one)", "R-GEN-32"), async () => {
      const [first, second] = await logIn([wrongPassword, right], false);
      check("the error", [first?.code, first?.status], ["refused", "offline"]);
      checkLogin(second, "sasl1", scram, 1);
    }),
    ...(sasl2
      ? [
          attempt(named("SASL2 SCRAM, Bind 2, then FAST", "R-SA2-11 R-FAST-01"), async () => {
            const [first, second] = await logIn([right, wrongPassword], true); // the second needs none
            checkLogin(first, "sasl2", scram, 0);
            checkLogin(second, "sasl2", binding === undefined ? /^HT-.*-NONE$/ : /^HT-.*-EXPR$/, 0);
          }),
          attempt(named("SASL2 SCRAM (wrong password, then the right one)", "R-SA2-13"), async () => {
            const [first, second] = await logIn([wrongPassword, right], true);
            check("the error", [first?.code, first?.status], ["refused", "offline"]);
            checkLogin(second, "sasl2", scram, 0);
          }),
        ]
      : []),
  ];
}

/** The blocks for somebody who runs `sasl serve`. */
function readmeAttempts(run: Run, { port, ca }: Endpoint): Attempt[] {
  const printed = [
    /^SCRAM-SHA-512-PLUS true\nonline as user@localhost\n$/,
    /^sasl2 SCRAM-SHA-512-PLUS\nsasl2 HT-SHA-512-EXPR\n$/,
  ];
  return printed.map((expected, index) =>
    attempt(`serve xmpp STARTTLS README ${index + 1} user, by xmpp.js with sasl-xmpp-js`, async () => {
      const { file, folder } = readmeProgram("xmpp-js", index, { "localhost:1522": `localhost:${port}` });
      const env = { NODE_EXTRA_CA_CERTS: ca };
      const { exit, stdout, stderr } = await run.children.run(process.execPath, [file], { env });
      rmSync(folder, { recursive: true });
      check(`what it said (${stdout}${stderr})`, [exit, expected.test(stdout), stderr], [0, true, ""]);
    }),
  );
}
