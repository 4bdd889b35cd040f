/**
 * Our client takes up sessions again at Prosody, with the login (XEP-0198 §9.2): what was said meanwhile arrives, and who may
 * not have the session gets another one, or none.
 *
 * @module
 */
import { SCRAM } from "sasl-core/mechanisms";
import type { Resumable } from "sasl-xmpp";
import { wrongPassword } from "../accounts.js";
import type { Attempt, Endpoint } from "../types.js";
import { attempt, check, refusalOf } from "./check.js";
import { ChatClient, type ChatSession, type LoggedIn } from "./login.js";
import type { Reach } from "./reach.js";

/** @param way what the report calls the way @param mechanism of tokens that come that way */
export function resumptionAttempts({ server }: Endpoint, way: string, reach: Reach, mechanism: string): Attempt[] {
  const ours = (what: string, ids: string, run: () => Promise<void>): Attempt =>
    attempt(`${server} xmpp ${way} SASL2 resume alice${what} [${ids}], by sasl-xmpp`, run);
  return [
    ours(`, ${mechanism}`, "R-SA2-12 R-FAST-14", async () => {
      const chat = new ChatClient(reach);
      const first = await chat.begin();
      await first.ping();
      const session = cut(first);
      await sayTo(first.login.result.jid, reach, ["one", "two"]);
      const second = await chat.begin({ session });
      const { login } = second;
      check("the login", [login.token?.used, login.result.mechanism], [true, mechanism]);
      check("the exchange", login.exchange.length, 2);
      checkResumed(login, first);
      check("what was said", [await second.heard(), await second.heard()], ["one", "two"]);
      await second.ping();
      second.close();
    }),
    ours(" (wrong password, then the right one)", "R-SA2-13", async () => {
      const first = await new ChatClient(reach).begin();
      await first.ping();
      const session = cut(first);
      const mechanisms = [SCRAM({ username: "alice", password: wrongPassword })];
      check("the refusal", await refusalOf(new ChatClient(reach).begin({ session, mechanisms })), "refused");
      const second = await new ChatClient(reach).begin({ session });
      checkResumed(second.login, first);
      await second.ping();
      second.close();
    }),
    ours(" (unknown session)", "R-SA2-12", async () => {
      const { resumption, bound, result } = await new ChatClient(reach).login({ session: { previd: "nobody", h: 0 } });
      checkNotResumed({ resumption, bound, result });
    }),
    ours(" (session of another account)", "R-SA2-12", async () => {
      const first = await new ChatClient(reach).begin();
      await first.ping();
      const session = cut(first);
      checkNotResumed(await new ChatClient(reach, { user: "user" }).login({ session }));
      const second = await new ChatClient(reach).begin({ session });
      checkResumed(second.login, first);
      second.close();
    }),
  ];
}

/** @returns what to resume the session by. */
function cut(session: ChatSession): Resumable {
  const { resumable } = session;
  session.cut();
  return resumable;
}

/** Returns when the server has them. */
async function sayTo(jid: string | undefined, reach: Reach, texts: readonly string[]): Promise<void> {
  const user = await new ChatClient(reach, { user: "user" }).begin();
  for (const text of texts) await user.say(jid ?? "", text);
  await user.ping();
  user.close();
}

/** One stanza was handled before: the ping. */
function checkResumed({ resumption, bound, result }: LoggedIn, { login }: ChatSession): void {
  check("the session", resumption, { resumed: true, h: 1, jid: login.result.jid });
  check("who it is", [result.jid, bound], [login.result.jid, undefined]);
}

function checkNotResumed({ resumption, bound, result }: Pick<LoggedIn, "resumption" | "bound" | "result">): void {
  check("the session", resumption?.resumed, false); // why not, Prosody says in an element of its own
  check("another session", bound?.jid, result.jid);
}
