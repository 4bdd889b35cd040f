/**
 * SASL2 with Bind 2 and FAST: our client at Prosody 13, and other people's clients at a listener of ours. Through the packages
 * themselves, so that what follows from a login can be looked at.
 *
 * @module
 */
import { join } from "node:path";
import { GoSendxmpp } from "./clients/go-sendxmpp.js";
import { Slixmpp } from "./clients/slixmpp.js";
import type { Run } from "./run.js";
import { goSendxmppAttempts, slixmppAttempts, xmppJsAttempts } from "./sasl2/clients.js";
import { prosodyAttempts, rotationAttempts } from "./sasl2/prosody.js";
import { webAttempts, webPath } from "./sasl2/prosody-web.js";
import { overSocket, overWebSocket } from "./sasl2/reach.js";
import { resumptionAttempts } from "./sasl2/resumption.js";
import { slixmppSessions, xmppJsSessions } from "./sasl2/sessions.js";
import { endpointOf, type Server } from "./servers.js";
import { makeCertificates } from "./tls-files.js";
import type { Tool } from "./tools.js";
import type { Attempt, Channel, Client, Endpoint } from "./types.js";

/** Run all of them. @param command file of the `sasl` command @param clients those there are */
export async function sasl2Side(
  run: Run,
  command: string,
  servers: readonly Server[],
  clients: readonly Client[],
  tools: ReadonlySet<Tool>,
): Promise<void> {
  const { children, scratch } = run;
  const here = servers.filter(({ kind }) => kind === "prosody13");
  const attempts = [
    ...here.flatMap((server) => [
      ...at(server, "c2s", "starttls", prosodyAttempts),
      ...at(server, "c2s_direct_tls", "implicit", prosodyAttempts),
      ...at(server, "c2s", "starttls", (to) => resumptionAttempts(to, "STARTTLS", overSocket(to), "HT-SHA-256-EXPR")),
      ...at(server, "https", "implicit", (to) =>
        resumptionAttempts(to, "wss", overWebSocket(to, webPath), "HT-SHA-256-NONE"),
      ),
    ]),
    ...servers
      .filter(({ kind }) => kind === "prosody" || kind === "prosody13")
      .flatMap((server) => [
        ...at(server, "https", "implicit", (to) => webAttempts(to, here.includes(server))),
        ...at(server, "http", "none", (to) => webAttempts(to, here.includes(server))),
      ]),
  ];
  const variant = here.length > 0 ? run.variant("prosody13", { PROSODY_FAST_MIN_TTL: "0" }) : [];
  const [rotating] = await Promise.all([variant, run.attempts(attempts)]); // it takes seconds to start
  await run.attempts(rotating.flatMap((server) => at(server, "c2s", "starttls", rotationAttempts)));
  if (!tools.has("openssl")) return;
  const tls = join(scratch, "sasl2-tls");
  await makeCertificates(children, tls);
  await run.attempts([
    ...xmppJsAttempts(children, tls),
    ...clients.flatMap((client) => {
      if (client instanceof GoSendxmpp) return goSendxmppAttempts(client, tls, scratch);
      return client instanceof Slixmpp ? slixmppAttempts(client, tls) : [];
    }),
  ]);
  const slixmpp = clients.some((client) => client instanceof Slixmpp) ? slixmppSessions(run, command) : [];
  await run.attempts([...xmppJsSessions(run, command), ...slixmpp]);
}

function at(server: Server, port: string, channel: Channel, attempts: (endpoint: Endpoint) => Attempt[]): Attempt[] {
  const endpoint = endpointOf(server, port, "xmpp", channel);
  return endpoint === undefined ? [] : attempts(endpoint);
}
