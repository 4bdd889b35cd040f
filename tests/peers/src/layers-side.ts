/**
 * Security layers: our halves of a mechanism against those of other libraries, over a pipe, and then texts in both
 * directions through the layer both agreed on.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import {
  memoryAccounts,
  type SASLInterface,
  type SASLReply,
  SASLServer,
  SASLStateMachine,
  type SecurityLayer,
} from "sasl-core";
import { rc4, rc4_40, rc4_56, singleDes, tripleDes } from "sasl-core/legacy";
import { DIGEST_MD5, type DigestCipher, digestMd5With } from "sasl-core/mechanisms";
import { passwordOf } from "./accounts.js";
import { LineProgram } from "./line-program.js";
import { type Run, repository } from "./run.js";
import type { Tool } from "./tools.js";
import type { Attempt, Outcome } from "./types.js";

const mechanism = "DIGEST-MD5";
const place = { service: "imap", host: "localhost" } as const;
const user = { username: "alice", password: passwordOf("alice") };
const folder = join(repository, "tests/peers/native");

/** What is to protect the connection, and nothing else. */
interface Row {
  readonly ssf: number;
  /** What a peer calls the same strength. */
  readonly theirs?: number;
  readonly name: string;
  readonly cipher?: DigestCipher;
  readonly ids: readonly string[];
}

/** A library, and how a program that speaks for it is started. */
interface Peer {
  readonly name: string;
  readonly rows: readonly Row[];
  start(role: "client" | "server", ssf: number, maxbuf: number): LineProgram;
}

const ids = ["R-DIG-04", "R-DIG-14", "R-DIG-18"];
const auth: Row = { ssf: 0, name: "auth", ids: ["R-DIG-09"] };
const integrity: Row = { ssf: 1, name: "auth-int", ids: ["R-DIG-14", "R-DIG-16"] };
const confidential = (cipher: DigestCipher, theirs?: number): Row => ({
  ssf: cipher.ssf,
  name: `auth-conf ${cipher.name}`,
  cipher,
  ids,
  ...(theirs !== undefined && { theirs }),
});

/** Compile what has to be, and run all attempts. */
export async function layersSide(run: Run, tools: ReadonlySet<Tool>): Promise<void> {
  const peers: Peer[] = [];
  if (tools.has("cyrus-library")) {
    const program = join(run.scratch, "cyrus-peer");
    const source = join(folder, "cyrus-peer.c");
    const compiled = await run.children.run("gcc", ["-O1", "-o", program, source, "-lsasl2"]);
    if (compiled.exit !== 0) run.report.fail("cyrus-peer.c", compiled.stderr);
    else {
      peers.push({
        name: "Cyrus SASL",
        // Triple DES it cannot set up on OpenSSL 3, not even with itself: "failed to init cipher". Authen::SASL does that.
        rows: [
          auth,
          integrity,
          confidential(rc4),
          confidential(rc4_56),
          confidential(rc4_40),
          confidential(singleDes, 55),
        ],
        start: (role, ssf, maxbuf) =>
          new LineProgram(run.children, program, [role, mechanism, String(ssf), String(ssf), String(maxbuf)]),
      });
    }
  }
  if (tools.has("perl-sasl")) {
    peers.push({
      name: "Authen::SASL",
      rows: [auth, integrity, confidential(tripleDes), confidential(singleDes)],
      start: (role, ssf, maxbuf) =>
        new LineProgram(run.children, "perl", [
          join(folder, "perl-peer.pl"),
          role,
          mechanism,
          String(ssf),
          String(ssf),
          String(maxbuf),
        ]),
    });
  }
  await run.attempts(peers.flatMap((peer) => peer.rows.flatMap((row) => [ourClient(peer, row), ourServer(peer, row)])));
}

function ourClient(peer: Peer, row: Row): Attempt {
  return {
    name: `layers DIGEST-MD5 ${row.name}, our client at ${peer.name} [${row.ids.join(" ")}]`,
    run: () =>
      withLines(peer.start("server", row.theirs ?? row.ssf, peerMaxbuf), async (lines) => {
        const reply = async (answer: string): Promise<SASLReply> => {
          const [word, ...rest] = (await lines.ask(answer)).split(/ +/);
          const payload = fromHex(rest.at(-1));
          if (word === "message") return { state: "challenge", payload };
          if (word !== "done") throw new Error(rest.join(" "));
          return payload.length > 0 ? { state: "success", payload } : { state: "success" };
        };
        const wire: SASLInterface = {
          secure: true,
          layers: true,
          initiate: (_, payload) => reply(payload === undefined ? "start" : `message ${toHex(payload)}`),
          respond: (payload) => reply(`message ${toHex(payload)}`),
          abort: async () => ({ state: "failure" }),
        };
        const protection = { minSsf: row.ssf, maxSsf: row.ssf, maxInput: ownMaxbuf };
        const client = DIGEST_MD5(user, { ciphers: row.cipher ? [row.cipher] : [] });
        const outcome = await client.authenticate(new SASLStateMachine(wire), mechanism, { ...place, protection });
        return talk(lines, outcome.layer, row);
      }),
  };
}

function ourServer(peer: Peer, row: Row): Attempt {
  return {
    name: `layers DIGEST-MD5 ${row.name}, ${peer.name} at our server [${row.ids.join(" ")}]`,
    run: () =>
      withLines(peer.start("client", row.theirs ?? row.ssf, peerMaxbuf), async (lines) => {
        const server = new SASLServer({
          mechanisms: [digestMd5With({ ciphers: row.cipher ? [row.cipher] : [] })],
          accounts: memoryAccounts({ [user.username]: user.password }),
          policy: { minSsf: row.ssf, maxSsf: row.ssf },
          limits: { maxLayerBytes: ownMaxbuf },
          ...place,
        });
        const session = server.session({ secure: true, externalSsf: 0, layers: true, successData: true });
        const [, first] = (await lines.ask("start")).split(/ +/);
        let reply = await session.initiate(mechanism, first === "-" || first === "" ? undefined : fromHex(first));
        while (reply.state === "challenge") {
          const [, answer] = (await lines.ask(`message ${toHex(reply.payload)}`)).split(/ +/);
          reply = await session.respond(fromHex(answer));
        }
        const last = await lines.ask(`message ${toHex(reply.payload ?? new Uint8Array(0))}`);
        if (!last.startsWith("done ")) return { passed: false, why: last };
        return talk(lines, session.result?.layer, row);
      }),
  };
}

/** Both differ from the usual, and from one another. */
const ownMaxbuf = 3000;
const peerMaxbuf = 60_000;

/** Texts there and back, so that sequence numbers and ciphers run on; long ones take several buffers. */
async function talk(lines: LineProgram, layer: SecurityLayer | undefined, { ssf, name }: Row): Promise<Outcome> {
  if ((layer?.ssf ?? 0) !== ssf) return { passed: false, why: `a layer of ${layer?.ssf} bits for ${name}` };
  if (layer === undefined) return { passed: true };
  for (const length of [1, 17, 2048, 70_000, 3]) {
    const text = randomBytes(length);
    const heard = await lines.ask(`decode ${toHex(await layer.encode(text))}`);
    if (heard !== `text ${toHex(text)}`)
      return { passed: false, why: `of ${length} octets it heard ${heard.slice(0, 200)}` };
    const back = randomBytes(Math.min(length, 2000));
    const [word, frames] = (await lines.ask(`encode ${toHex(back)}`)).split(/ +/);
    if (word !== "text") return { passed: false, why: `it says ${word}` };
    const wire = fromHex(frames);
    const parts = [...(await layer.decode(wire.slice(0, 5))), ...(await layer.decode(wire.slice(5)))];
    if (Buffer.compare(Buffer.concat(parts), back) !== 0) return { passed: false, why: "we heard something else" };
  }
  return { passed: true };
}

async function withLines(lines: LineProgram, work: (lines: LineProgram) => Promise<Outcome>): Promise<Outcome> {
  try {
    return await work(lines);
  } catch (error) {
    return { passed: false, why: `${error instanceof Error ? error.message : error}\n${lines.complaints}`.trim() };
  } finally {
    lines.end();
  }
}

function toHex(bytes: Uint8Array): string {
  return bytes.length === 0 ? "-" : Buffer.from(bytes).toString("hex");
}

function fromHex(text: string | undefined): Uint8Array {
  return text === undefined || text === "-" ? new Uint8Array(0) : Uint8Array.from(Buffer.from(text, "hex"));
}
