/**
 * An XMPP server of ours over TLS on loopback with SASL2, Bind 2 and FAST. Says over IPC where it listens; asked anything,
 * it says how many round trips the last login took, from the stream's header to the session with an address.
 *
 * @module
 */
import { createServer } from "node:tls";
import { makeScramVerifier, memoryAccounts, SASLServer } from "sasl-core";
import { hashedTokens, hashSha1, htSha256, scramSha1, scramSha1Plus } from "sasl-core/mechanisms";
import { bareJid, bind2Server, fastServer } from "sasl-xmpp";
import { XMPPListener } from "sasl-xmpp/node";
import { generate } from "selfsigned";
import { iterations, password, username } from "../lib/account.mjs";

const { cert, private: key } = await generate([{ name: "commonName", value: "localhost" }], {
  extensions: [{ name: "subjectAltName", altNames: [{ type: 2, value: "localhost" }] }],
});
const authPassword = [await makeScramVerifier(hashSha1, password, { iterations })];
const accounts = memoryAccounts({ [username]: { authPassword } });
const tokens = hashedTokens({ accounts, hashes: [htSha256] });
const hosts = ["localhost"];

/** @type {{ trips: number, answered: boolean } | undefined} */
let newest;
/** @type {number | undefined} */
let last;
const listener = new XMPPListener({
  hosts,
  server: new SASLServer({
    mechanisms: [scramSha1, scramSha1Plus, ...tokens.mechanisms],
    accounts,
    service: "xmpp",
    canonicalizers: [bareJid(hosts)],
  }),
  sasl2: { inline: [fastServer({ tokens }), bind2Server()] },
  async onAuthenticated(stream) {
    last = newest?.trips;
    while (await stream.receive());
  },
});
const server = createServer({ key, cert, noDelay: true }, (socket) => {
  listener.accept(counted(socket));
}).listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.send?.({ port: typeof address === "object" ? address?.port : undefined, cert });
});
process.on("message", () => process.send?.({ trips: last }));
process.on("disconnect", () => process.exit());

/** A round trip begins with the first that comes after an answer. @param {import("node:tls").TLSSocket} socket */
function counted(socket) {
  const count = { trips: 0, answered: true };
  newest = count;
  const { push, write } = socket;
  socket.push = (/** @type {[any, any?]} */ ...args) => {
    if (args[0] !== null && count.answered) {
      count.trips++;
      count.answered = false;
    }
    return push.apply(socket, args);
  };
  socket.write = (/** @type {any[]} */ ...args) => {
    count.answered = true;
    return write.apply(socket, /** @type {any} */ (args));
  };
  return socket;
}
