/**
 * Section k: mechanisms of the past, both ends in one process, the server with the password; and the integrity layer of
 * DIGEST-MD5, a text encoded at one end and decoded at the other, beside the HMAC-MD5 it cannot do without.
 *
 * @module
 */
import { createHmac } from "node:crypto";
import { SASLServer, SASLStateMachine } from "sasl-core";
import { CRAM_MD5, cramMd5, DIGEST_MD5, digestMd5 } from "sasl-core/mechanisms";
import { password, username } from "../lib/account.mjs";
import { inProcess } from "../lib/measure.mjs";
import { bar, emptyResult, times, us } from "../lib/report.mjs";
import { measureTable, programRow } from "../lib/rows.mjs";

const place = { service: "imap", host: "localhost" };
const user = { username, password };
const accounts = { lookup: () => ({ userPassword: password }) };

const exchanges = /** @type {const} */ ([
  // The last figure is what GNU SASL took where the bar was set, µs.
  { name: "DIGEST-MD5", scenario: "digest-md5", client: DIGEST_MD5(user), mechanism: digestMd5, limit: 20, gsasl: 8.6 },
  { name: "CRAM-MD5", scenario: "cram-md5", client: CRAM_MD5(user), mechanism: cramMd5, limit: 12, gsasl: 11.7 },
]);

const sizes = /** @type {const} */ ([
  [1024, 3],
  [16_384, 2.2],
  [60_000, 2.2],
]);

/** @param {import("../main.mjs").Options} options */
export async function run(options) {
  const result = emptyResult();
  for (const { name, scenario, client, mechanism, limit, gsasl } of exchanges) {
    const server = new SASLServer({ mechanisms: [mechanism], accounts, ...place });
    const connection = { secure: true, successData: true };
    const exchange = async () => {
      await client.authenticate(new SASLStateMachine(server.session(connection)), name, place);
    };
    const table = await measureTable(
      [
        await programRow("gsasl", scenario, "both ends", { role: "reference" }),
        await programRow("cyrus", scenario, "both ends"),
        inProcess("sasl-core", exchange, { role: "ours" }),
      ],
      options,
      { title: `${name}, both ends`, metrics: ["cpu", "wall"] },
    );
    result.tables.push(...table.result.tables);
    result.missing.push(...table.result.missing);
    const same = `the same against GNU SASL (${limit} µs where it took ${gsasl})`;
    result.bars.push(
      bar(`${name}, one exchange, CPU`, table.ours?.value.cpu.median, "at most", limit, us),
      bar(same, table.ours?.ratio.cpu?.median, "at most", limit / gsasl, times),
    );
  }
  for (const [size, limit] of sizes) {
    const { sender, receiver } = await layers();
    const text = new Uint8Array(size).fill(0x61);
    const key = new Uint8Array(16).fill(7);
    const hmac = () => createHmac("md5", key).update(text).digest();
    const through = () => receiver.decode(/** @type {Uint8Array} */ (sender.encode(text)));
    const table = await measureTable(
      [
        inProcess("one HMAC-MD5 by node:crypto", hmac, { role: "reference" }),
        inProcess("sasl-core, encode and decode", through, { role: "ours" }),
      ],
      options,
      { title: `auth-int, ${size} octets`, metrics: ["cpu", "wall"] },
    );
    result.tables.push(...table.result.tables);
    const what = `auth-int, ${size} octets there and back`;
    result.bars.push(bar(what, table.ours?.ratio.cpu.median, "at most", limit, times));
  }
  return result;
}

/** Both ends of a connection that agreed on integrity. */
async function layers() {
  const policy = { minSsf: 1, maxSsf: 1 };
  const server = new SASLServer({ mechanisms: [digestMd5], accounts, policy, ...place });
  const session = server.session({ secure: true, externalSsf: 0, layers: true, successData: true });
  const settings = { ...place, protection: { ...policy, maxInput: 65_536 } };
  const outcome = await DIGEST_MD5(user).authenticate(new SASLStateMachine(session), "DIGEST-MD5", settings);
  const [sender, receiver] = [outcome.layer, session.result?.layer];
  if (sender === undefined || receiver === undefined) throw new Error("no layer was agreed on");
  return { sender, receiver };
}
