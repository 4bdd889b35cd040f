// Logins of @xmpp/client through sasl-xmpp-js, one after another with the same client. Reads a JSON object from standard
// input: `service`, `domain`, `username`, `passwords`, one for each login, whether to use `sasl2`, and `binding`, the policy
// for it. Prints a JSON object for each login: `jid`, `again` (whether a session was bound twice), what it established, or `code`.
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { client, xml } from "@xmpp/client";
import { bind2, fast, memoryFastTokens, newUserAgentId, sasl2 } from "sasl-xmpp";
import { PLAIN, SCRAM, SCRAMPLUS } from "sasl-xmpp/mechanisms";
import { saslClient } from "sasl-xmpp-js";
import { WebSocket } from "ws";

const ca = readFileSync(process.env.NODE_EXTRA_CA_CERTS);
// What it looks for: Node.js has it from version 22 on.
globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { ca });
  }
};

const request = JSON.parse(await text(process.stdin));
const { service, domain, username, binding: channelBinding } = request;
let password;
const credentials = async () => ({ username, password });
const inline = [fast({ store: memoryFastTokens() }), bind2({ tag: "peers" })];
let result;
let bindings = 0;
const xmpp = saslClient(
  client,
  { service, domain, username, resource: `peers-${process.pid}`, timeout: 8000 }, // the same would end each other
  [SCRAMPLUS(credentials), SCRAM(credentials), PLAIN(credentials)],
  {
    policy: { channelBinding },
    sasl2: request.sasl2 ? sasl2({ userAgent: { id: newUserAgentId(), software: "peers" }, inline }) : undefined,
    onAuthenticated: (found) => {
      result = found;
    },
  },
);
xmpp.on("error", () => {}); // start() rejects with it
xmpp.on("send", (element) => {
  if (element.getChild("bind", "urn:ietf:params:xml:ns:xmpp-bind")) bindings++;
});

for (password of request.passwords) {
  let told;
  bindings = 0;
  try {
    const jid = String(await xmpp.start());
    await xmpp.send(xml("presence"));
    const pong = await xmpp.iqCaller.get(xml("query", "jabber:iq:roster"));
    const { profile, mechanism, channelBinding, serverVerified } = result;
    told = { jid, profile, mechanism, channelBinding, serverVerified, bindings, answered: pong?.name === "query" };
    await xmpp.stop();
  } catch (error) {
    told = { code: error.code ?? String(error), status: xmpp.status };
  }
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
