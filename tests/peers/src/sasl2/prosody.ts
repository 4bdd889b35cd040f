/**
 * SASL2, Bind 2 and FAST at Prosody 13, by the packages themselves: logins that follow from one another are one attempt.
 *
 * @module
 */
import type { FastToken } from "sasl-xmpp";
import type { Attempt, Endpoint } from "../types.js";
import { attempt, check } from "./check.js";
import { ChatClient, type LoggedIn } from "./login.js";
import { overSocket, type Version } from "./reach.js";

/** What Prosody can bind to below each version, and its FAST mechanism that does. */
const bindings: readonly { version: Version; types: readonly string[]; mechanism: string }[] = [
  { version: "TLSv1.3", types: ["tls-exporter", "tls-server-end-point"], mechanism: "HT-SHA-256-EXPR" },
  { version: "TLSv1.2", types: ["tls-unique", "tls-server-end-point"], mechanism: "HT-SHA-256-UNIQ" },
];

function ours(name: string, run: () => Promise<void>): Attempt {
  return attempt(`${name}, by sasl-xmpp`, run);
}

/** Attempts at a server that keeps a token for a while. */
export function prosodyAttempts(endpoint: Endpoint): Attempt[] {
  const reach = overSocket(endpoint);
  const way = endpoint.channel === "implicit" ? "TLS " : "";
  const named = (what: string, version: Version, ids: string) =>
    `${endpoint.server} xmpp ${way}${what} ${version} [${ids}]`;
  return bindings.flatMap(({ version, types, mechanism }) => [
    ours(named("SASL2 SCRAM-SHA-256-PLUS alice, Bind 2", version, "R-SA2-11 R-SA2-12 R-CBT-04 R-SSDP-04"), async () => {
      const { result, offered, bound } = await new ChatClient(reach).login({ version });
      check("the mechanism", result.mechanism, "SCRAM-SHA-256-PLUS");
      check("the binding", result.channelBinding, types[0]);
      check("the types offered", offered.bindingTypes?.toSorted(), types.toSorted());
      check("the session", bound?.jid, result.jid);
      check("the tag", bound?.resource.startsWith("peers"), true);
      const [carbons, management] = bound?.answers ?? [];
      const { enabled, resume } = management as { enabled: boolean; resume: boolean };
      check("carbons and stream management", [carbons, enabled, resume], [true, true, true]);
    }),
    ...[mechanism, "HT-SHA-256-NONE"].map((each) =>
      ours(named(`SASL2 FAST ${each} alice`, version, "R-FAST-02 R-FAST-05 R-FAST-14"), async () => {
        const chat = new ChatClient(reach, { mechanisms: [each] });
        const first = await chat.login({ version });
        check("the first token", [first.token?.used, first.token?.rejected], [false, undefined]);
        check("its mechanism", (await chat.tokens.get(chat.account))?.mechanism, each);
        for (const count of [1, 2]) {
          checkToken(await chat.login({ version }), each, each === mechanism ? types[0] : undefined);
          check("the count", (await chat.tokens.get(chat.account))?.count, count);
        }
      }),
    ),
    ours(named("SASL2 FAST (wrong token, then the password)", version, "R-FAST-13"), async () => {
      const chat = new ChatClient(reach);
      await chat.login({ version });
      const good = (await chat.tokens.get(chat.account)) as FastToken;
      await chat.tokens.set(chat.account, { ...good, token: `${good.token}x` });
      const second = await chat.login({ version });
      check("the login", [second.token?.used, second.result.mechanism], [false, "SCRAM-SHA-256-PLUS"]);
      checkRefused(second);
      checkToken(await chat.login({ version }), mechanism, types[0]);
    }),
    ours(named("SASL2 FAST (invalidated)", version, "R-FAST-10"), async () => {
      const chat = new ChatClient(reach);
      await chat.login({ version });
      const good = (await chat.tokens.get(chat.account)) as FastToken;
      checkToken(await chat.login({ version, logout: true }), mechanism, types[0]);
      check("the token kept", await chat.tokens.get(chat.account), undefined);
      await chat.tokens.set(chat.account, { ...good, count: good.count + 1 });
      const after = await chat.login({ version });
      check("the login", [after.token?.used, after.result.mechanism], [false, "SCRAM-SHA-256-PLUS"]);
      checkRefused(after);
    }),
  ]);
}

/** Attempts at a server that gives another token at each use. */
export function rotationAttempts(endpoint: Endpoint): Attempt[] {
  const reach = overSocket(endpoint);
  return bindings.map(({ version, types, mechanism }) =>
    ours(`${endpoint.server} xmpp SASL2 FAST (rotated at each use) ${version} [R-FAST-04 R-FAST-08]`, async () => {
      const chat = new ChatClient(reach);
      await chat.login({ version });
      const seen = [(await chat.tokens.get(chat.account)) as FastToken];
      for (let login = 1; login <= 3; login++) {
        checkToken(await chat.login({ version }), mechanism, types[0]);
        seen.push((await chat.tokens.get(chat.account)) as FastToken);
      }
      check("different tokens", new Set(seen.map(({ token }) => token)).size, 4);
      await chat.tokens.set(chat.account, seen[0]);
      const late = await chat.login({ version });
      check("the login with the first", [late.token?.used, late.result.mechanism], [false, "SCRAM-SHA-256-PLUS"]);
      checkRefused(late);
    }),
  );
}

/** One element there, one back, and a session. */
function checkToken({ result, token, bound, exchange }: LoggedIn, mechanism: string, type: string | undefined): void {
  check("the login", [token?.used, result.mechanism], [true, mechanism]);
  check("the server's proof", result.serverVerified, true);
  check("the binding", result.channelBinding, type);
  check("the session", bound?.jid, result.jid);
  check("the exchange", exchange.map(nameOf), ["C: authenticate", "S: success"]);
}

/** The server turned the token down, and the password followed on the same stream. */
function checkRefused({ exchange }: LoggedIn): void {
  check("the exchange", exchange.map(nameOf), [
    ...["C: authenticate", "S: failure"],
    ...["C: authenticate", "S: challenge", "C: response", "S: success"],
  ]);
}

function nameOf(element: string): string {
  return element.replace(/^(.: )<([a-z-]+).*$/s, "$1$2");
}
