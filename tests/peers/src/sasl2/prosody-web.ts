/**
 * Our client at Prosody over WebSocket (RFC 7395), with TLS and without. There is no channel binding over it.
 *
 * @module
 */
import { hashSha1, hashSha256, SCRAM, SCRAMPLUS } from "sasl-core/mechanisms";
import { passwordOf, wrongPassword } from "../accounts.js";
import type { Attempt, Endpoint } from "../types.js";
import { attempt, check, refusalOf } from "./check.js";
import { ChatClient } from "./login.js";
import { overWebSocket } from "./reach.js";

/** Where Prosody has it. */
export const webPath = "/xmpp-websocket";
const alice = { username: "alice", password: passwordOf("alice") };

/**
 * @param endpoint its HTTP port, with TLS where the channel is `implicit`
 * @param modern whether it has SASL2
 */
export function webAttempts(endpoint: Endpoint, modern: boolean): Attempt[] {
  const protocol = endpoint.channel === "implicit" ? "wss" : "ws";
  const ours = (what: string, ids: string, run: () => Promise<void>): Attempt =>
    attempt(`${endpoint.server} xmpp ${protocol} ${what} [${ids}], by sasl-xmpp`, run);
  const open = overWebSocket(endpoint, webPath);
  // Prosody counts both as protected, as behind a server that ends TLS; there the client has to be told.
  const secure = protocol === "wss" ? open : overWebSocket(endpoint, webPath, true);
  return [
    ...[hashSha1, hashSha256].map((hash) =>
      ours(`SASL1 ${hash.name} alice`, "R-XMPP-11", async () => {
        const mechanisms = [SCRAM(alice, { hashes: [hash] })];
        const { result } = await new ChatClient(open).login({ mechanisms, profile: "sasl1" });
        check("the login", [result.profile, result.mechanism], ["sasl1", hash.name]);
        check("the binding and the proof", [result.channelBinding, result.serverVerified], [undefined, true]);
      }),
    ),
    ours("SASL1 alice (wrong password)", "R-XMPP-11", async () => {
      const mechanisms = [SCRAM({ ...alice, password: wrongPassword })];
      const code = await refusalOf(new ChatClient(open).login({ mechanisms, profile: "sasl1" }));
      check("the refusal", code, "refused");
    }),
    ours("SASL1 SCRAM-PLUS alice (no binding)", "R-CB-06", async () => {
      const code = await refusalOf(new ChatClient(open).login({ mechanisms: [SCRAMPLUS(alice)], profile: "sasl1" }));
      check("the refusal", code, "no-common-mechanism");
    }),
    ...(modern
      ? [
          ours("SASL2 alice and FAST HT-SHA-256-NONE, Bind 2", "R-SA2-11 R-SA2-12 R-FAST-02 R-FAST-14", async () => {
            const chat = new ChatClient(secure);
            const first = await chat.login();
            check("the login", [first.result.profile, first.result.mechanism], ["sasl2", "SCRAM-SHA-256"]);
            check("the session", first.bound?.jid, first.result.jid);
            check("its token", (await chat.tokens.get(chat.account))?.mechanism, "HT-SHA-256-NONE");
            const { result, token, bound, exchange } = await chat.login();
            check("the second login", [token?.used, result.mechanism], [true, "HT-SHA-256-NONE"]);
            check("the server's proof", result.serverVerified, true);
            check("its session", bound?.jid, result.jid);
            check("elements", exchange.length, 2);
          }),
          ours("SASL2 alice (wrong password)", "R-SA2-13", async () => {
            const chat = new ChatClient(secure);
            const code = await refusalOf(chat.login({ mechanisms: [SCRAM({ ...alice, password: wrongPassword })] }));
            check("the refusal", code, "refused");
            check("the token", await chat.tokens.get(chat.account), undefined);
          }),
        ]
      : []),
    ...(modern && protocol === "ws"
      ? [
          ours("SASL2 alice (no TLS)", "R-SA2-01", async () => {
            check("the refusal", await refusalOf(new ChatClient(open).login()), "no-common-mechanism");
          }),
        ]
      : []),
  ];
}
