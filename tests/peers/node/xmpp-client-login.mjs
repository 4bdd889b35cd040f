// Logins with @xmpp/client, one after another with the same token. Reads a JSON object from standard input: `service`,
// `domain`, `username`, `password`, `userAgent`, and `spoil`, which says for each login whether its token is spoilt first.
// Prints a JSON object for each: `jid`, `error`, and the elements that came and went as `exchange`.
import { text } from "node:stream/consumers";
import { client, xml } from "@xmpp/client";
import { WebSocket } from "ws";

globalThis.WebSocket ??= WebSocket; // which it looks for, and Node.js has from version 22 on

const request = JSON.parse(await text(process.stdin));
let token;

/** Ends the login at hand. */
let refuse = () => {};
// Of a refusal it tells by an event or by a promise that nobody can wait for.
process.on("unhandledRejection", (reason) => {
  if (reason?.name !== "TimeoutError") refuse(reason);
});

async function login(spoil) {
  const xmpp = client({
    service: request.service,
    domain: request.domain,
    resource: `peers-${process.pid}`, // others log in at the same time
    username: request.username,
    password: request.password,
    userAgent: xml("user-agent", { id: request.userAgent }, xml("software", {}, "xmpp.js")),
    timeout: 8000,
  });
  xmpp.reconnect.stop();
  xmpp.fast.fetchToken = async () => (spoil && token ? { ...token, token: `${token.token}x` } : token);
  xmpp.fast.saveToken = async (given) => {
    token = given;
  };
  xmpp.fast.deleteToken = async () => {
    token = undefined;
  };
  const exchange = [];
  let error;
  xmpp.on("error", (reason) => {
    error ??= String(reason);
  });
  xmpp.on("send", (element) => exchange.push(`C: ${element}`));
  xmpp.on("element", (element) => exchange.push(`S: ${element}`));
  let jid;
  try {
    // Its promise misses a server whose header is here before the client's own is known to be written.
    const online = new Promise((resolve, reject) => {
      refuse = reject;
      xmpp.once("online", resolve).once("error", reject);
      setTimeout(reject, 8000, new Error("not online")).unref();
    });
    xmpp.start().catch(() => {});
    jid = String(await online);
    await xmpp.iqCaller.get(xml("ping", "urn:xmpp:ping"), undefined, 8000);
  } catch (reason) {
    error ??= String(reason);
  }
  await xmpp.stop().catch(() => {});
  return { jid, error, exchange };
}

for (const spoil of request.spoil) process.stdout.write(`${JSON.stringify(await login(spoil))}\n`);
process.exit(0);
