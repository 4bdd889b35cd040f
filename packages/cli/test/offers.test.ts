/** What the test server offers names in stream headers, from its first connection on. */
import { connect } from "node:tls";
import { Element } from "ltx";
import { makeScramVerifier, memoryAccounts } from "sasl-core";
import { hashSha256, hashSha512, plain, scramSha256, scramSha512 } from "sasl-core/mechanisms";
import { discover, ltxAdapter } from "sasl-xmpp";
import { SocketStream } from "sasl-xmpp/node";
import { expect, test } from "vitest";
import { startServer } from "../src/server/index.js";

const adapter = ltxAdapter(Element);
const verifier = (hash: typeof hashSha256) => makeScramVerifier(hash, "secret", { iterations: 4096 });

test("R-SA2-06 a name nobody has is shown what accounts have before the first of these is looked up", async () => {
  const [old, modern] = await Promise.all([verifier(hashSha256), verifier(hashSha512)]);
  const server = await startServer({
    ports: { xmpps: 0 },
    accounts: memoryAccounts({ old: { authPassword: [old] }, modern: { authPassword: [modern] }, empty: {} }),
    mechanisms: [scramSha256, scramSha512, plain],
  });
  const offered = async (name: string): Promise<string> => {
    const socket = connect({ port: server.ports.xmpps as number, host: "localhost", ca: server.caPem });
    await new Promise((done) => socket.once("secureConnect", done));
    const stream = new SocketStream(socket, { domain: "localhost", from: `${name}@localhost` });
    try {
      return discover(await stream.open(), adapter).mechanisms.join();
    } finally {
      stream.close();
    }
  };
  try {
    const strangers = new Set<string>();
    for (let i = 0; i < 40; i++) strangers.add(await offered(`stranger${i}`));
    const own = [await offered("old"), await offered("modern")];
    expect(own).toEqual(["SCRAM-SHA-256,PLAIN", "SCRAM-SHA-512,PLAIN"]);
    expect(strangers).toEqual(new Set(own));
  } finally {
    await server.close();
  }
});
