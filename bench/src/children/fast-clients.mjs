/**
 * Logs in to the server of section l again and again, with our client and with `@xmpp/client`, each with the password and
 * with a token. Started with the server's certificate in NODE_EXTRA_CA_CERTS, since `@xmpp/client` takes none by itself.
 * Arguments: port, rounds, milliseconds of a slot, `check` or `measure`. Says over IPC what came of it.
 *
 * @module
 */
import { once } from "node:events";
import { connect } from "node:tls";
// @ts-expect-error has no types
import { xml, client as xmppClient } from "@xmpp/client";
import { hashSha1, htSha256, SCRAM } from "sasl-core/mechanisms";
import { authenticate, bind2, fast, memoryFastTokens, newUserAgentId, sasl2 } from "sasl-xmpp";
import { SocketStream } from "sasl-xmpp/node";
import { password, username } from "../lib/account.mjs";
import { inProcess, interleave } from "../lib/measure.mjs";

const [port, rounds, slotMs] = process.argv.slice(2).map(Number);
const SCRAM_SHA_1 = "SCRAM-SHA-1"; // the only one with a challenge that both have

/** @param {boolean} token @param {readonly string[]} [mechanisms] of tokens */
function ours(token, mechanisms) {
  const session = bind2({ tag: "bench" });
  const feature = fast({ store: memoryFastTokens(), hashes: [htSha256], mechanisms });
  const profile = sasl2({ userAgent: { id: newUserAgentId() }, inline: token ? [feature, session] : [session] });
  const credentials = [SCRAM({ username, password }, { hashes: [hashSha1] })];
  return async () => {
    const socket = connect({ host: "localhost", port, servername: "localhost" });
    await once(socket, "secureConnect");
    const stream = new SocketStream(socket, { domain: "localhost", from: `${username}@localhost` });
    const features = await stream.open();
    const result = await authenticate(stream, features, credentials, { sasl2: profile });
    await stream.restart();
    if (result.inline.get(session) === undefined) throw new Error("no session");
    stream.close();
    await once(socket, "close");
    return result.mechanism;
  };
}

/** @param {boolean} token */
function theirs(token) {
  const userAgent = xml("user-agent", { id: newUserAgentId() });
  /** @type {any} */
  let kept;
  return async () => {
    let used = "";
    const entity = xmppClient({
      service: `xmpps://localhost:${port}`,
      domain: "localhost",
      username,
      userAgent,
      credentials: async (/** @type {any} */ login, /** @type {string[]} */ mechanisms, /** @type {any} */ feature) => {
        used = token && kept ? kept.mechanism : SCRAM_SHA_1;
        if (!mechanisms.includes(SCRAM_SHA_1)) throw new Error("no SCRAM-SHA-1");
        if (!token && feature) feature.mechanism = null; // otherwise it asks for a token each time
        await login({ username, password, token: token ? kept : undefined }, SCRAM_SHA_1, userAgent);
      },
    });
    entity.reconnect.stop();
    entity.fast.saveToken = async (/** @type {any} */ issued) => {
      kept = issued;
    };
    entity.fast.deleteToken = async () => {
      kept = undefined;
    };
    /** @type {unknown} */
    let failed;
    entity.on("error", (/** @type {unknown} */ error) => {
      failed = error;
    });
    // Not what start() gives: that waits for "open" only once the header is written, and misses a server that is faster.
    const online = once(entity, "online");
    entity.start().catch(() => {});
    await online;
    await entity.stop();
    if (failed) throw failed;
    return used;
  };
}

/** @type {(readonly [string, () => Promise<string>, "ours" | "reference" | undefined])[]} */
const programs = [
  ["sasl-xmpp, SCRAM-SHA-1", ours(false), undefined],
  ["sasl-xmpp, token bound to the channel", ours(true), undefined],
  ["sasl-xmpp, token not bound", ours(true, ["HT-SHA-256-NONE"]), "ours"],
  ["@xmpp/client, SCRAM-SHA-1", theirs(false), undefined],
  ["@xmpp/client, token not bound", theirs(true), "reference"],
];

const trips = [];
for (const [, login] of programs) {
  await login(); // gets the token
  const mechanism = await login();
  process.send?.({ logged: mechanism });
  const [{ trips: count }] = await once(process, "message");
  trips.push({ mechanism, count });
}
const candidates = programs.map(([name, login, role]) => inProcess(name, login, role && { role }));
process.send?.({ rows: await interleave(candidates, { rounds, slotMs }), trips });
process.disconnect?.();
