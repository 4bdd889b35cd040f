// A session of @xmpp/client whose connection is cut, and that is taken up again. Reads a JSON object from standard input:
// `service`, `domain`, `username`, `password`, `stranger` (another account: `username`, `password`) and `previd`, which is
// asked for in place of the session there was. Prints a JSON object: the `jid` of the session, the one it has `after`,
// whether it was `resumed`, the JID the `stranger` got who asked for it first, what was `heard` before and `again`, and the
// elements of the second login as `exchange`.
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { client, xml } from "@xmpp/client";
import { WebSocket } from "ws";

globalThis.WebSocket ??= WebSocket; // which it looks for, and Node.js has from version 22 on

const request = JSON.parse(await text(process.stdin));

function make({ username, password }) {
  const { service, domain } = request;
  const xmpp = client({ service, domain, resource: `peers-${process.pid}`, username, password, timeout: 8000 });
  xmpp.reconnect.stop();
  xmpp.on("error", (error) => process.stderr.write(`${error}\n`));
  return xmpp;
}

// Its promises miss a server whose header is here before the client's own is known to be written.
process.on("unhandledRejection", () => {});

/** @returns the JID. */
async function online(xmpp) {
  xmpp.start().catch(() => {});
  const [jid] = await once(xmpp, "online", { signal: AbortSignal.timeout(8000) });
  await ping(xmpp);
  return String(jid);
}

/** Waits until this is so. */
async function until(what, fits) {
  for (let tries = 0; !fits(); tries++) {
    if (tries === 400) throw new Error(`not ${what}`);
    await sleep(20);
  }
}

function ping(xmpp) {
  return xmpp.iqCaller.get(xml("ping", "urn:xmpp:ping"), undefined, 8000);
}

const heard = [];
const again = [];
let hear = heard;
let handled = 0;
const xmpp = make(request);
xmpp.on("stanza", (stanza) => {
  handled += 1;
  if (stanza.is("message")) hear.push(stanza.getChildText("body"));
});
const jid = await online(xmpp);
const { streamManagement: session } = xmpp;

const sender = make(request.stranger);
await online(sender);
for (const body of ["one", "two"]) {
  await sender.send(xml("message", { to: jid, type: "chat" }, xml("body", {}, body)));
}
await until("heard", () => heard.length === 2);
await sender.stop().catch(() => {});
// It leaves out answers to its own queries. As if the second message had been on its way when the connection was cut.
session.inbound = handled - 1;

const cut = once(xmpp, "disconnect");
const { socket } = xmpp;
const wire = socket.socket ?? socket;
if (wire.terminate) wire.terminate();
else wire.destroy();
await cut;

const stranger = make(request.stranger);
stranger.streamManagement.id = session.id;
const strangers = await online(stranger);
await stranger.stop().catch(() => {});

hear = again;
const exchange = [];
let resumed = false;
xmpp.on("send", (element) => exchange.push(`C: ${element}`));
xmpp.on("nonza", (element) => exchange.push(`S: ${element}`));
session.on("resumed", () => {
  resumed = true;
});
if (request.previd) session.id = request.previd;
xmpp.reconnect.reconnect().catch(() => {});
// Of a session that was resumed it tells by another event than of a new one.
await until("online", () => xmpp.status === "online");
await ping(xmpp);
const after = String(xmpp.jid);
await xmpp.stop().catch(() => {});
process.stdout.write(`${JSON.stringify({ jid, after, resumed, stranger: strangers, heard, again, exchange })}\n`);
process.exit(0);
