/** Binds of the real library at a directory of ours, honest and not. */
import { readFileSync } from "node:fs";
import { Client, type ClientOptions } from "ldapts";
import { clientMechanism, type Mechanism, memoryAccounts, SASLServer, type ServerEvent } from "sasl-core";
import {
  CRAM_MD5,
  cramMd5,
  DIGEST_MD5,
  digestMd5,
  PLAIN,
  plain,
  SCRAM,
  SCRAMPLUS,
  scramSha256,
  scramSha256Plus,
  scramSha512,
} from "sasl-core/mechanisms";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Directory, type DirectoryOptions, message, response } from "../test/directory.js";
import { saslBind, supportedMechanisms } from "./index.js";

const read = (name: string): Buffer =>
  readFileSync(new URL(`../../core/test/certificates/${name}.pem`, import.meta.url));
const [cert, key] = [read("ecdsa-sha256.cert"), read("ec-p256.key")];
const alice = { username: "alice", password: "correct horse" };

const directories: Directory[] = [];
const clients: Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.unbind().catch(() => {});
  for (const directory of directories.splice(0)) directory.close();
});

async function open(options: Partial<DirectoryOptions> = {}, clientOptions: Partial<ClientOptions> = {}) {
  const events: ServerEvent[] = [];
  const sasl = new SASLServer({
    mechanisms: [scramSha256, scramSha512, scramSha256Plus, plain, digestMd5, cramMd5],
    accounts: memoryAccounts({ alice: alice.password }),
    host: "localhost",
    service: "ldap",
    onOutcome: (event) => void events.push(event),
  });
  const directory = new Directory({ sasl, tls: { cert, key }, ...options });
  directories.push(directory);
  const port = await directory.listen();
  const tlsOptions = options.direct === true ? { tlsOptions: { ca: cert, servername: "localhost" } } : {};
  const url = `${options.direct === true ? "ldaps" : "ldap"}://localhost:${port}`;
  const client = new Client({ url, ...tlsOptions, ...clientOptions });
  clients.push(client);
  return { directory, client, events };
}

describe("binds", () => {
  const rows = [
    ["SCRAM without TLS", {}, [SCRAM(alice), PLAIN(alice)], { mechanism: "SCRAM-SHA-512", serverVerified: true }],
    [
      "SCRAM, bound",
      { direct: true },
      [SCRAMPLUS(alice), SCRAM(alice)],
      { mechanism: "SCRAM-SHA-256-PLUS", channelBinding: "tls-exporter" },
    ],
    ["PLAIN over TLS", { direct: true }, [PLAIN(alice)], { mechanism: "PLAIN" }],
    ["DIGEST-MD5", {}, [DIGEST_MD5(alice)], { mechanism: "DIGEST-MD5", serverVerified: true }],
    ["CRAM-MD5, without credentials at first", { direct: true }, [CRAM_MD5(alice)], { mechanism: "CRAM-MD5" }],
  ] as const;
  for (const [what, options, mechanisms, expected] of rows) {
    test(what, async () => {
      const { client, directory, events } = await open(options);
      expect(await saslBind(client, mechanisms)).toMatchObject(expected);
      expect(client.isBound).toBe(true);
      expect(events).toMatchObject([{ ok: true }]);
      if (expected.mechanism === "CRAM-MD5" || expected.mechanism === "DIGEST-MD5")
        expect(directory.binds[0]?.credentials).toBeUndefined();
    });
  }

  test("after StartTLS, bound to it", async () => {
    const { client } = await open();
    await client.startTLS({ ca: cert, servername: "localhost", host: "localhost" });
    expect(await saslBind(client, [SCRAMPLUS(alice), PLAIN(alice)])).toMatchObject({ channelBinding: "tls-exporter" });
    expect(await supportedMechanisms(client)).toContain("PLAIN");
  });

  test("octets that are no text go through, both ways, and absent is not empty", async () => {
    const octets = Uint8Array.from({ length: 256 }, (_, i) => i);
    const heard: (Uint8Array | undefined)[] = [];
    const raw: Mechanism = {
      ...scramSha256,
      name: "X-RAW",
      async *client(ctx) {
        heard.push(yield octets);
        heard.push(yield ctx.final(new Uint8Array(0)));
      },
    };
    const script: DirectoryOptions["script"] = ({ id }, count) => response(id, 0x61, count === 1 ? 14 : 0, octets);
    const { client, directory } = await open({ script, announced: ["X-RAW"] });
    await saslBind(client, [clientMechanism([raw], alice)]);
    expect(heard.map((each) => each && [...each])).toEqual([[...octets], [...octets]]);
    expect(directory.binds.map(({ credentials }) => credentials?.length)).toEqual([256, 0]);
  });

  test("autoRebind binds again after the connection was lost", async () => {
    const { client, directory, events } = await open({}, { autoRebind: true });
    await saslBind(client, [SCRAM(alice)]);
    for (const socket of directory.sockets) socket.destroy();
    await vi.waitFor(() => expect(client.isConnected).toBe(false));
    await client.search("", { scope: "base" });
    expect(client.isBound).toBe(true);
    expect(events).toMatchObject([{ ok: true }, { ok: true }]);
  });

  test("a directory that does not say what it offers is taken at the caller's word", async () => {
    const { client } = await open({ secretive: true });
    await expect(saslBind(client, [SCRAM(alice)])).rejects.toMatchObject({ code: "connection-lost" });
    const offered = ["SCRAM-SHA-256"];
    expect(await saslBind(client, [SCRAM(alice)], { offered })).toMatchObject({ mechanism: "SCRAM-SHA-256" });
  });
});

describe("refusals", () => {
  test("a wrong password; the connection can be used for the right one", async () => {
    const { client } = await open();
    const wrong = { ...alice, password: "wrong" };
    await expect(saslBind(client, [SCRAM(wrong)])).rejects.toMatchObject({
      kind: "AuthenticationFailure",
      code: "refused",
      text: "said by the directory",
      opaqueError: { resultCode: 49 },
    });
    expect(client.isBound).toBe(false);
    expect(await saslBind(client, [SCRAM(alice)])).toMatchObject({ authcid: "alice" });
  });

  test("PLAIN without TLS goes nowhere, unless the caller says that the connection is safe", async () => {
    const { client, directory } = await open({ announced: ["PLAIN"] });
    await expect(saslBind(client, [PLAIN(alice)])).rejects.toMatchObject({ code: "no-common-mechanism" });
    expect(directory.binds).toEqual([]);
    await expect(saslBind(client, [PLAIN(alice)], { secure: true })).rejects.toMatchObject({ kind: "SASLFailure" });
    expect(directory.binds).toHaveLength(1);
  });

  test("nobody there", async () => {
    const client = new Client({ url: "ldap://127.0.0.1:1" });
    await expect(saslBind(client, [SCRAM(alice)])).rejects.toMatchObject({
      code: "connection-lost",
      cause: { code: "ECONNREFUSED" },
    });
  });

  test("a signal that is aborted: the server is told with an empty name", async () => {
    const cut = new AbortController();
    const script: DirectoryOptions["script"] = () => void cut.abort();
    const { client, directory } = await open({ script });
    await expect(saslBind(client, [SCRAM(alice)], { signal: cut.signal })).rejects.toMatchObject({ code: "aborted" });
    expect(directory.binds.map(({ mechanism }) => mechanism)).toEqual(["SCRAM-SHA-512", ""]);
    expect(client.isConnected).toBe(true);
  });

  const codes: readonly [result: number, code: string][] = [
    [1, "unexpected-message"],
    [2, "malformed-message"],
    [7, "mechanism-unsupported"],
    [8, "mechanism-too-weak"],
    [13, "channel-not-protected"],
    [19, "account-disabled"],
    [48, "mechanism-too-weak"],
    [49, "refused"],
    [50, "authorization-refused"],
    [51, "temporary"],
    [52, "temporary"],
    [53, "account-disabled"],
    [80, "aborted"],
  ];
  for (const [result, code] of codes) {
    test(`result code ${result} is ${code}`, async () => {
      const { client } = await open({ script: ({ id }) => response(id, 0x61, result), announced: ["SCRAM-SHA-256"] });
      await expect(saslBind(client, [SCRAM(alice)])).rejects.toMatchObject({
        code,
        opaqueError: { resultCode: result },
      });
    });
  }
});

describe("a server that lies", () => {
  const bytes = (text: string): Uint8Array => Buffer.from(text);
  /** The honest first message of a server that knows nothing. */
  const first = (id: number, credentials: Uint8Array | undefined): Buffer => {
    const nonce = /r=([^,]+)/.exec(Buffer.from(credentials ?? []).toString())?.[1];
    return response(
      id,
      0x61,
      14,
      bytes(`r=${nonce}xyz,s=${Buffer.from("salt of sixteen.").toString("base64")},i=4096`),
    );
  };
  const forged = bytes(`v=${Buffer.alloc(32, 7).toString("base64")}`);
  const huge = Buffer.from([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]);
  const second =
    (answer: (id: number) => Buffer | "close"): NonNullable<DirectoryOptions["script"]> =>
    ({ id, credentials }, count) =>
      count === 1 ? first(id, credentials) : answer(id);
  const rows: readonly [what: string, code: string, script: NonNullable<DirectoryOptions["script"]>][] = [
    ["a forged signature with the success", "peer-not-verified", second((id) => response(id, 0x61, 0, forged))],
    ["a forged signature before the success", "peer-not-verified", second((id) => response(id, 0x61, 14, forged))],
    ["success without a signature", "peer-not-verified", second((id) => response(id, 0x61, 0))],
    ["success with an empty signature", "malformed-message", second((id) => response(id, 0x61, 0, new Uint8Array(0)))],
    ["success at once", "peer-not-verified", ({ id }) => response(id, 0x61, 0)],
    [
      "the signature where a referral stands",
      "peer-not-verified",
      second((id) =>
        message(id, 0x61, (writer) => {
          writer.writeEnumeration(0);
          writer.writeString("");
          writer.writeString("");
          writer.writeBuffer(Buffer.from(forged), 0xa3);
        }),
      ),
    ],
    ["an end in the middle", "connection-lost", second(() => "close")],
    ["something that is no LDAP", "malformed-message", () => Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["a message that is too long", "limit-exceeded", () => huge],
    ["a bind response without a result", "malformed-message", ({ id }) => message(id, 0x61, () => {})],
    ["another response with this number", "malformed-message", ({ id }) => response(id, 0x65, 0)],
    ["a challenge that is too long", "limit-exceeded", ({ id }) => response(id, 0x61, 14, new Uint8Array(500_000))],
  ];
  for (const [what, code, script] of rows) {
    test(`${what}: ${code}, and nothing else is tried`, async () => {
      const { client, directory } = await open({ script, direct: true });
      await expect(saslBind(client, [SCRAM(alice), PLAIN(alice)])).rejects.toMatchObject({ code });
      expect(client.isBound).toBe(false);
      expect(directory.binds.map(({ mechanism }) => mechanism)).not.toContain("PLAIN");
      // Whatever it was, nobody knows any more as whom the directory takes the connection; a refused abort settles that.
      const settled = code === "limit-exceeded" && directory.binds.at(-1)?.mechanism === "";
      if (!settled) await vi.waitFor(() => expect(client.isConnected).toBe(false));
    });
  }

  test("an answer that comes after this end has given up does not meet the next bind", async () => {
    const script: DirectoryOptions["script"] = () => Buffer.alloc(0);
    const { client } = await open({ script });
    const given = saslBind(client, [SCRAM(alice)], { limits: { timeoutMs: 50 } });
    await expect(given).rejects.toMatchObject({ code: "timed-out" });
    await vi.waitFor(() => expect(client.isConnected).toBe(false));
  });

  test("a lie after StartTLS: the client knows that the connection is closed", async () => {
    const { client } = await open({ script: ({ id }) => response(id, 0x61, 0) });
    await client.startTLS({ ca: cert, servername: "localhost", host: "localhost" });
    await expect(saslBind(client, [SCRAM(alice)])).rejects.toMatchObject({ code: "peer-not-verified" });
    await vi.waitFor(() => expect(client.isConnected).toBe(false));
  });

  test("an answer on which ldapts' own parser never comes to an end", async () => {
    const script: DirectoryOptions["script"] = ({ id }) => {
      const octets = message(id, 0x61, (writer) => {
        writer.writeEnumeration(49);
        writer.writeString("");
        writer.writeString("");
        writer.writeBuffer(Buffer.alloc(1), 0x88);
      });
      octets[octets.length - 2] = 0x7f; // longer than the message
      return octets;
    };
    const { client } = await open({ script });
    await expect(saslBind(client, [SCRAM(alice)])).rejects.toMatchObject({ code: "refused" });
  });

  test("octets one by one", async () => {
    const { client, directory } = await open({
      script: ({ id }) => {
        const octets = response(id, 0x61, 49);
        void (async () => {
          for (const octet of octets) {
            directory.sockets[0]?.write(Buffer.of(octet));
            await new Promise((resolve) => setImmediate(resolve));
          }
        })();
        return Buffer.alloc(0);
      },
    });
    await expect(saslBind(client, [SCRAM(alice)])).rejects.toMatchObject({ code: "refused" });
  });

  test("two binds at once: the answer to one is not taken for the other's", async () => {
    const mallory = { username: "mallory", password: "x" };
    // Says yes to the first and no to the second, and takes its time.
    let held: Buffer | undefined;
    const script: DirectoryOptions["script"] = ({ id }, count) => {
      if (count === 1) {
        held = response(id, 0x61, 0);
        setTimeout(() => directory.sockets[0]?.write(held as Buffer), 50);
        return Buffer.alloc(0);
      }
      return response(id, 0x61, 49);
    };
    const { client, directory } = await open({ script, direct: true });
    await supportedMechanisms(client);
    const both = await Promise.allSettled([saslBind(client, [PLAIN(alice)]), saslBind(client, [PLAIN(mallory)])]);
    expect(both).toMatchObject([{ status: "fulfilled" }, { reason: { code: "unexpected-message" } }]);
    expect(client.isBound).toBe(true);
  });

  test("answers to other numbers are passed over", async () => {
    const script: DirectoryOptions["script"] = ({ id }) =>
      Buffer.concat([response(id - 1, 0x61, 0), response(0, 0x78, 52), response(id, 0x61, 49)]);
    const { client } = await open({ script });
    await expect(saslBind(client, [SCRAM(alice)])).rejects.toMatchObject({ code: "refused" });
  });
});

test("a client whose socket is elsewhere is told so", async () => {
  const client = { isConnected: true, search: async () => ({ searchEntries: [] }) } as unknown as Client;
  await expect(saslBind(client, [SCRAM(alice)])).rejects.toBeInstanceOf(TypeError);
});
