/**
 * Section l: reconnecting to an XMPP server with a token (SASL2, Bind 2, FAST) and with the password, our client and
 * `@xmpp/client`, all to the same server of ours over TLS on loopback; and what a login with a token costs that server,
 * without a network.
 *
 * @module
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
// @ts-expect-error has no types
import { xml } from "@xmpp/client";
import { channelBinding, memoryAccounts, SASLServer } from "sasl-core";
import { hashedTokens, htSha256, scramSha256 } from "sasl-core/mechanisms";
import {
  authenticate,
  bareJid,
  elementPair,
  fast,
  fastServer,
  ltxAdapter,
  memoryFastTokens,
  NS_STREAM,
  newUserAgentId,
  SASL2Stream,
  sasl2,
} from "sasl-xmpp";
import { inBatches, inProcess } from "../lib/measure.mjs";
import { bar, emptyResult, perSecond, range, times, us } from "../lib/report.mjs";
import { measureTable } from "../lib/rows.mjs";

/** Those of `ltx`. @typedef {import("sasl-xmpp").LtxElement} Element */
const { Element } = /** @type {any} */ (xml);

/** @param {import("../main.mjs").Options} options */
export async function run(options) {
  const result = emptyResult();
  await reconnects(options, result);
  await logins(options, result);
  return result;
}

/** @param {import("../main.mjs").Options} options @param {import("../lib/report.mjs").SectionResult} result */
async function reconnects({ rounds, slotMs }, result) {
  const child = (/** @type {string} */ name) => fileURLToPath(new URL(`../children/${name}.mjs`, import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), "bench-fast-"));
  const server = fork(child("fast-server"));
  try {
    const [{ port, cert }] = await once(server, "message");
    const ca = join(folder, "ca.pem");
    writeFileSync(ca, cert);
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: ca };
    const clients = fork(child("fast-clients"), [port, rounds, slotMs].map(String), { env });
    const measured = await new Promise((resolve, reject) => {
      clients.on("message", (/** @type {any} */ message) => {
        if (message.rows) resolve(message);
        else {
          server.once("message", (answer) => clients.send(answer));
          server.send("trips");
        }
      });
      clients.once("exit", (code) => reject(new Error(`the clients ended with ${code}`)));
    });
    report(measured, result);
  } finally {
    server.kill();
    rmSync(folder, { recursive: true });
  }
}

/**
 * @param {{ rows: import("../lib/measure.mjs").Row[], trips: { mechanism: string, count: number }[] }} measured
 * @param {import("../lib/report.mjs").SectionResult} result
 */
function report({ rows, trips }, result) {
  result.tables.push({
    title: "connect over TLS, log in, bind a resource, close",
    head: ["", "mechanism", "round trips", "client CPU each", "wall each", "ratio of wall (range)"],
    rows: rows.map(({ name, role, value, ratio }, i) => [
      `${role === "ours" ? "> " : role === "reference" ? "= " : "  "}${name}`,
      trips[i].mechanism,
      String(trips[i].count),
      us(value.cpu.median),
      us(value.wall.median),
      range(ratio.wall, times),
    ]),
  });
  result.notes.push("round trips begin after TLS, with the stream's header");
}

/** @param {import("../main.mjs").Options} options @param {import("../lib/report.mjs").SectionResult} result */
async function logins(options, result) {
  const service = await tokenService();
  const table = await measureTable(
    [
      inBatches("server alone", service.serverAlone, { role: "ours", maxCount: 500 }),
      inProcess("both ends", service.bothEnds),
    ],
    options,
    {
      title: "SASL2 and FAST in memory: features, one authenticate, success",
      metrics: ["cpu", "wall"],
      extra: { head: "logins", cell: ({ value }) => perSecond(1e6 / value.cpu.median) },
    },
  );
  result.tables.push(...table.result.tables);
  const value = table.ours && 1e6 / table.ours.value.cpu.median;
  result.bars.push(bar("SASL2 and FAST logins of a server on one core", value, "at least", 10_000, perSecond));
}

/** A server whose hundred accounts have a token each, bound to the channel. */
async function tokenService() {
  const adapter = ltxAdapter(Element);
  const names = Array.from({ length: 100 }, (_, i) => `user${i}`);
  const accounts = memoryAccounts(Object.fromEntries(names.map((name) => [name, "pencil"])));
  const tokens = hashedTokens({ accounts, hashes: [htSha256] });
  const server = new SASLServer({
    mechanisms: [...tokens.mechanisms, scramSha256],
    accounts,
    service: "xmpp",
    canonicalizers: [bareJid(["localhost"])],
  });
  const binding = channelBinding({ "tls-exporter": new Uint8Array(32).fill(7) });
  const inline = [fastServer({ tokens })];
  const mechanism = "HT-SHA-256-EXPR";
  const store = memoryFastTokens();
  /** @type {{ from: string, profile: import("sasl-xmpp").SASL2Profile }[]} */
  const clients = [];
  for (const name of names) {
    const id = newUserAgentId();
    const issued = await tokens.issue(name, { mechanism, client: id });
    if (issued === undefined) throw new Error("no token");
    const { token, expires } = issued;
    await store.set(`${name}@localhost`, { mechanism, token, expires, userAgent: id, count: 0 });
    clients.push({ from: `${name}@localhost`, profile: sasl2({ userAgent: { id }, inline: [fast({ store })] }) });
  }

  /** The server's end of a stream up to its features. @param {string} from */
  async function open(from) {
    const facts = { adapter, host: "localhost", from, bindingTypes: binding.types };
    const stream = new SASL2Stream(facts, { inline });
    /** @type {import("sasl-core").ServerConnection} */
    const connection = {
      secure: true,
      channelBinding: binding,
      successData: true,
      admit: (...done) => stream.admit(...done),
    };
    const features = adapter.create("features", NS_STREAM, {}, [
      ...(await stream.announce(server.mechanisms(connection))),
    ]);
    return { stream, session: server.session(connection), features };
  }

  let turn = 0;
  const next = () => clients[turn++ % clients.length];

  /** A login through both ends. */
  async function bothEnds() {
    const { from, profile } = next();
    const { stream, session, features } = await open(from);
    const pair = elementPair(adapter, { secure: true, clientBinding: binding, serverBinding: binding });
    const served = pair.server.receive().then((request) => stream.serve(pair.server, session, request));
    await authenticate({ ...pair.client, from }, features, [], { sasl2: profile });
    const outcome = await served;
    if (!outcome.ok) throw new Error("refused");
  }

  /** What clients would send is made untimed: nothing in it depends on the stream. */
  async function serverAlone(/** @type {number} */ count, /** @type {import("../lib/measure.mjs").Watch} */ watch) {
    const requests = [];
    for (let i = 0; i < count; i++) {
      const { from, profile } = next();
      const { features } = await open(from);
      requests.push({ from, request: await requestOf(from, profile, features) });
    }
    watch.start();
    for (const { from, request } of requests) {
      const { stream, session } = await open(from);
      const outcome = await stream.serve(deaf, session, request);
      if (!outcome.ok) throw new Error("refused");
    }
    watch.stop();
  }

  /** @param {string} from @param {import("sasl-xmpp").SASL2Profile} profile @param {Element} features */
  async function requestOf(from, profile, features) {
    /** @type {Element | undefined} */
    let request;
    const transport = {
      adapter,
      secure: true,
      channelBinding: binding,
      from,
      send: (/** @type {Element} */ element) => {
        request ??= element;
      },
      receive: () => Promise.reject(new Error("enough")),
    };
    await authenticate(transport, features, [], { sasl2: profile }).catch(() => {});
    if (request === undefined) throw new Error("the client said nothing");
    return request;
  }

  const deaf = { adapter, secure: true, channelBinding: binding, send: () => {}, receive: () => new Promise(() => {}) };
  return { bothEnds, serverAlone };
}
