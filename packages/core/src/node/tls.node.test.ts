import { constants, createHash, createHmac, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer, type Socket } from "node:net";
import { type ConnectionOptions, connect, createServer, type Server, TLSSocket, type TlsOptions } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { loadVectors } from "../../test/vectors.js";
import type { ChannelBinding } from "../channel-binding.js";
import { tlsChannelBinding, tlsFacts, tlsStrength, tlsVersion } from "./index.js";

const file = (name: string): Buffer => readFileSync(new URL(`../../test/certificates/${name}.pem`, import.meta.url));
const fingerprint = (name: string, hash: string): string =>
  createHash(hash)
    .update(new X509Certificate(file(`${name}.cert`)).raw)
    .digest("hex");

const servers: Server[] = [];
const sockets: TLSSocket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

type Version = "TLSv1.2" | "TLSv1.3";
interface Pair {
  readonly client: TLSSocket;
  readonly server: TLSSocket;
}

/** A server on loopback, and a way to connect to it. */
async function listen(version: Version, certificate = "rsa-sha256", key = "rsa", options: TlsOptions = {}) {
  const cert = file(`${certificate}.cert`);
  const listener = createServer({
    key: file(`${key}.key`),
    cert,
    minVersion: version,
    maxVersion: version,
    ...options,
  });
  servers.push(listener);
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const dial = (more: ConnectionOptions = {}): TLSSocket => {
    const socket = connect({ host: "127.0.0.1", port, servername: "localhost", ca: cert, ...more });
    sockets.push(socket);
    return socket;
  };
  return {
    dial,
    async pair(more?: ConnectionOptions): Promise<Pair> {
      const accepted = once(listener, "secureConnection");
      const client = dial(more);
      await once(client, "secureConnect");
      const [server] = (await accepted) as [TLSSocket];
      sockets.push(server);
      return { client, server };
    },
    /** A second connection that continues the session of a first. */
    async resumed(more?: ConnectionOptions): Promise<Pair> {
      const first = await this.pair(more);
      // On TLS 1.3 the session comes after the handshake, on TLS 1.2 with it.
      if (version === "TLSv1.3") {
        const ticket = once(first.client, "session");
        first.server.write("x");
        first.client.resume();
        await ticket;
      }
      const session = first.client.getSession();
      const second = await this.pair({ ...more, session: session as Buffer });
      expect([second.client.isSessionReused(), second.server.isSessionReused()]).toEqual([true, true]);
      return second;
    },
  };
}

/** All data of a binding, in order, as hex. */
async function all(binding: ChannelBinding): Promise<[type: string, hex: string][]> {
  const data = await Promise.all(binding.types.map(async (type) => (await binding.data(type)) as Uint8Array));
  return binding.types.map((type, at) => [type, Buffer.from(data[at] ?? []).toString("hex")]);
}

describe("TLS 1.3", () => {
  const vector = loadVectors<{ exporter_master_secret_hex: string }, { data_hex: string }>("channel-binding").find(
    ({ id }) => id === "rfc9266-over-rfc8448",
  );
  test("R-CB-07 rfc9266-over-rfc8448: label, context and length are those of RFC 9266", async () => {
    if (vector === undefined) throw new Error("the vector is missing");
    const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();
    // RFC 8446 §7.1, for one block of output.
    const expandLabel = (secret: Uint8Array, label: string, context: Uint8Array, length: number) => {
      const name = Buffer.from(`tls13 ${label}`);
      const info = [
        Buffer.from([0, length, name.length]),
        name,
        Buffer.from([context.length]),
        context,
        Buffer.from([1]),
      ];
      return createHmac("sha256", secret).update(Buffer.concat(info)).digest().subarray(0, length);
    };
    const master = Buffer.from(vector.inputs.exporter_master_secret_hex, "hex");
    const socket = {
      destroyed: false,
      getProtocol: () => "TLSv1.3",
      getEphemeralKeyInfo: () => ({}),
      getPeerCertificate: () => ({}),
      // RFC 8446 §7.5
      exportKeyingMaterial: (length: number, label: string, context: Buffer) =>
        expandLabel(expandLabel(master, label, sha256(Buffer.alloc(0)), 32), "exporter", sha256(context), length),
    } as unknown as TLSSocket;
    expect(await all(tlsChannelBinding(socket))).toEqual([["tls-exporter", vector.result.data_hex]]);
  });

  test("R-CB-06 R-CB-07 R-CB-08 both ends bind to the exporter and the certificate, and not to tls-unique", async () => {
    const { client, server } = await (await listen("TLSv1.3")).pair();
    const ours = await all(tlsChannelBinding(client));
    expect(ours).toEqual(await all(tlsChannelBinding(server)));
    expect(ours.map(([type]) => type)).toEqual(["tls-exporter", "tls-server-end-point"]);
    expect(ours[0]?.[1]).toBe(
      server.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0)).toString("hex"),
    );
    expect(ours[1]?.[1]).toBe(fingerprint("rsa-sha256", "sha256"));
    // Node returns Finished octets all the same.
    expect(client.getFinished()).toHaveLength(48);
    expect(await tlsChannelBinding(client).data("tls-unique")).toBeUndefined();
  });

  test("R-CB-07 the exporter is other data on each connection, 32 octets", async () => {
    const listener = await listen("TLSv1.3");
    const first = await all(tlsChannelBinding((await listener.pair()).client));
    const second = await all(tlsChannelBinding((await listener.pair()).client));
    expect(first[0]?.[1]).toHaveLength(64);
    expect(first[0]?.[1]).not.toBe(second[0]?.[1]);
  });

  test("R-CB-06 asserting the extended master secret brings no tls-unique", async () => {
    const { client } = await (await listen("TLSv1.3")).pair();
    const binding = tlsChannelBinding(client, { extendedMasterSecret: true });
    expect(binding.types).toEqual(["tls-exporter", "tls-server-end-point"]);
  });

  test("R-CB-07 R-CB-08 after resumption both ends keep the exporter; only the server has a certificate", async () => {
    const { client, server } = await (await listen("TLSv1.3")).resumed();
    const [clients, servers] = [tlsChannelBinding(client), tlsChannelBinding(server)];
    expect(clients.types).toEqual(["tls-exporter"]);
    expect(servers.types).toEqual(["tls-exporter", "tls-server-end-point"]);
    expect(await clients.data("tls-exporter")).toEqual(await servers.data("tls-exporter"));
    expect(await clients.data("tls-server-end-point")).toBeUndefined();
  });
});

describe("TLS 1.2", () => {
  test("R-CB-06 R-CB-07 both ends bind to tls-unique and the certificate; the exporter needs an assertion", async () => {
    const { client, server } = await (await listen("TLSv1.2")).pair();
    const ours = await all(tlsChannelBinding(client));
    expect(ours).toEqual(await all(tlsChannelBinding(server)));
    expect(ours.map(([type]) => type)).toEqual(["tls-unique", "tls-server-end-point"]);
    // RFC 5929 §3.1: in a full handshake the client's Finished is the first.
    expect(ours[0]?.[1]).toBe(client.getFinished()?.toString("hex"));
    expect(ours[0]?.[1]).toHaveLength(24);
  });

  test("R-CB-07 with the extended master secret asserted both ends bind to the exporter, with an empty context", async () => {
    const { client, server } = await (await listen("TLSv1.2")).pair();
    const ours = await all(tlsChannelBinding(client, { extendedMasterSecret: true }));
    expect(ours).toEqual(await all(tlsChannelBinding(server, { extendedMasterSecret: true })));
    expect(ours.map(([type]) => type)).toEqual(["tls-exporter", "tls-unique", "tls-server-end-point"]);
    const label = "EXPORTER-Channel-Binding";
    expect(ours[0]?.[1]).toBe(client.exportKeyingMaterial(32, label, Buffer.alloc(0)).toString("hex"));
    const withoutContext = (client.exportKeyingMaterial as (length: number, label: string) => Buffer).bind(client);
    expect(ours[0]?.[1]).not.toBe(withoutContext(32, label).toString("hex"));
  });

  test("R-CB-06 after resumption there is no tls-unique, and on the client no certificate either", async () => {
    const { client, server } = await (await listen("TLSv1.2")).resumed();
    expect(tlsChannelBinding(client).types).toEqual([]);
    expect(tlsChannelBinding(server).types).toEqual(["tls-server-end-point"]);
  });

  test("R-CB-06 after resumption with the extended master secret asserted tls-unique is the server's Finished", async () => {
    const { client, server } = await (await listen("TLSv1.2")).resumed();
    const clients = tlsChannelBinding(client, { extendedMasterSecret: true });
    const servers = tlsChannelBinding(server, { extendedMasterSecret: true });
    expect(clients.types).toEqual(["tls-exporter", "tls-unique"]);
    expect(servers.types).toEqual(["tls-exporter", "tls-unique", "tls-server-end-point"]);
    for (const type of clients.types) expect(await clients.data(type)).toEqual(await servers.data(type));
    expect(Buffer.from((await clients.data("tls-unique")) ?? [])).toEqual(server.getFinished());
  });

  test("R-CB-07 a client's renegotiation is refused by a bound server", async () => {
    const { client, server } = await (await listen("TLSv1.2")).pair();
    tlsChannelBinding(server);
    const refused = once(server, "error");
    client.on("error", () => undefined); // the connection ends
    client.renegotiate({}, () => undefined);
    expect(await refused).toMatchObject([{ code: "ERR_TLS_RENEGOTIATION_DISABLED" }]);
  });

  test("R-CB-07 a server's renegotiation changes nothing in a client's binding", async () => {
    const { client, server } = await (await listen("TLSv1.2")).pair();
    const binding = tlsChannelBinding(client);
    const before = await all(binding);
    const done = new Promise((resolve) => void server.renegotiate({}, resolve));
    client.resume();
    server.resume();
    await done;
    expect(client.getFinished()?.toString("hex")).not.toBe(before[0]?.[1]);
    expect(await all(binding)).toEqual(before);
  });

  test("R-CB-07 a server's renegotiation is refused by a client connected as the documentation says", async () => {
    const secureOptions = constants.SSL_OP_NO_RENEGOTIATION;
    const { client, server } = await (await listen("TLSv1.2")).pair({ secureOptions });
    const refused = once(server, "error");
    client.on("error", () => undefined); // the connection ends
    server.renegotiate({}, () => undefined);
    client.resume();
    server.resume();
    expect(await refused).toMatchObject([{ code: "ERR_SSL_NO_RENEGOTIATION" }]);
  });
});

describe("the certificate", () => {
  const rows: readonly [certificate: string, key: string, hash: string | undefined][] = [
    ["rsa-sha1", "rsa", "sha256"],
    ["rsa-sha384", "rsa", "sha384"],
    ["rsa-sha512", "rsa", "sha512"],
    ["rsa-sha3-256", "rsa", "sha3-256"],
    ["rsa-pss-sha256", "rsa", "sha256"],
    ["rsa-pss-sha512", "rsa", "sha512"],
    ["ecdsa-sha256", "ec-p256", "sha256"],
    ["ecdsa-sha384", "ec-p384", "sha384"],
    ["ed25519", "ed25519", undefined],
  ];
  for (const [certificate, key, hash] of rows) {
    test(`R-CB-08 signed as ${certificate} binds with ${hash ?? "the exporter alone"}, at both ends`, async () => {
      // Whether the client trusts it does not matter here, and OpenSSL does not verify all of these.
      const { client, server } = await (await listen("TLSv1.3", certificate, key)).pair({ rejectUnauthorized: false });
      for (const binding of [tlsChannelBinding(client), tlsChannelBinding(server)]) {
        const data = await binding.data("tls-server-end-point");
        expect(data && Buffer.from(data).toString("hex")).toBe(hash && fingerprint(certificate, hash));
        expect(binding.types.includes("tls-server-end-point")).toBe(hash !== undefined);
      }
    });
  }

  test("R-CB-08 is the one chosen by server name, at both ends", async () => {
    const listener = await listen("TLSv1.3", "rsa-sha256", "rsa");
    servers.at(-1)?.addContext("localhost", { cert: file("ecdsa-sha384.cert"), key: file("ec-p384.key") });
    const { client, server } = await listener.pair({ rejectUnauthorized: false });
    for (const binding of [tlsChannelBinding(client), tlsChannelBinding(server)]) {
      const data = await binding.data("tls-server-end-point");
      expect(Buffer.from(data ?? []).toString("hex")).toBe(fingerprint("ecdsa-sha384", "sha384"));
    }
  });

  test("R-CB-08 is the server's at both ends when the client has one as well", async () => {
    const listener = await listen("TLSv1.3", "rsa-sha256", "rsa", { requestCert: true, ca: file("ecdsa-sha256.cert") });
    const { client, server } = await listener.pair({ cert: file("ecdsa-sha256.cert"), key: file("ec-p256.key") });
    const ours = await all(tlsChannelBinding(client));
    expect(ours).toEqual(await all(tlsChannelBinding(server)));
    expect(ours[1]).toEqual(["tls-server-end-point", fingerprint("rsa-sha256", "sha256")]);
    expect(tlsFacts(server)?.verified).toBe(true);
  });

  test("R-CB-08 R-CB-09 is no binding where there is none: a pre-shared key", async () => {
    const psk = Buffer.alloc(32, 7);
    const ciphers = "PSK-AES128-GCM-SHA256";
    const listener = createServer({ ciphers, maxVersion: "TLSv1.2", pskCallback: () => psk });
    servers.push(listener);
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const accepted = once(listener, "secureConnection");
    const { port } = listener.address() as AddressInfo;
    const client = connect({
      host: "127.0.0.1",
      port,
      ciphers,
      maxVersion: "TLSv1.2",
      checkServerIdentity: () => undefined,
      pskCallback: () => ({ psk, identity: "x" }),
    });
    await once(client, "secureConnect");
    const [server] = (await accepted) as [TLSSocket];
    sockets.push(client, server);
    const ours = await all(tlsChannelBinding(client));
    expect(ours.map(([type]) => type)).toEqual(["tls-unique"]);
    expect(ours).toEqual(await all(tlsChannelBinding(server)));
  });

  test("stays readable for the application, and for a second binding", async () => {
    const { client } = await (await listen("TLSv1.3")).pair();
    const first = await all(tlsChannelBinding(client));
    expect(await all(tlsChannelBinding(client))).toEqual(first);
    expect(client.getPeerX509Certificate()?.raw.length).toBeGreaterThan(0);
  });
});

test("a socket that cannot export, as on Deno, is bound to the certificate alone", async () => {
  const { client } = await (await listen("TLSv1.3")).pair();
  Object.defineProperty(client, "exportKeyingMaterial", { value: undefined });
  expect(tlsChannelBinding(client).types).toEqual(["tls-server-end-point"]);
});

describe("the role", () => {
  test("can be told where the socket does not know it", async () => {
    const { client, server } = await (await listen("TLSv1.2")).pair();
    expect(await all(tlsChannelBinding(client, { role: "client" }))).toEqual(await all(tlsChannelBinding(client)));
    expect(await all(tlsChannelBinding(server, { role: "server" }))).toEqual(await all(tlsChannelBinding(server)));
  });

  test("is seen without an ephemeral key", async () => {
    const suite = { ciphers: "AES128-GCM-SHA256" }; // RSA key transport: the client has nothing to tell about a key
    const { client, server } = await (await listen("TLSv1.2", "rsa-sha256", "rsa", suite)).pair(suite);
    expect(await all(tlsChannelBinding(client))).toEqual(await all(tlsChannelBinding(server)));
  });

  test("is seen on sockets upgraded after the connection, as STARTTLS does it", async () => {
    const listener = createTcpServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const accepted = once(listener, "connection");
    const { port } = listener.address() as AddressInfo;
    const cert = file("rsa-sha256.cert");
    const client = connect({ socket: connectTcp(port, "127.0.0.1"), servername: "localhost", ca: cert });
    const [raw] = (await accepted) as [Socket];
    const server = new TLSSocket(raw, { isServer: true, key: file("rsa.key"), cert, maxVersion: "TLSv1.2" });
    sockets.push(client, server);
    await Promise.all([once(client, "secureConnect"), once(server, "secure")]);
    const ours = await all(tlsChannelBinding(client));
    expect(ours.map(([type]) => type)).toEqual(["tls-unique", "tls-server-end-point"]);
    expect(ours).toEqual(await all(tlsChannelBinding(server)));
    listener.close();
  });
});

describe("the moment", () => {
  test("before the handshake it is a TypeError", async () => {
    const client = (await listen("TLSv1.3")).dial();
    expect(() => tlsChannelBinding(client)).toThrow(TypeError);
    await once(client, "secureConnect");
    expect(tlsChannelBinding(client).types).toHaveLength(2);
  });

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    test(`on a destroyed socket it is connection-lost, ${version}`, async () => {
      const { client, server } = await (await listen(version)).pair();
      for (const socket of [client, server]) {
        socket.destroy();
        expect(() => tlsChannelBinding(socket)).toThrow(expect.objectContaining({ code: "connection-lost" }));
        await once(socket, "close");
        expect(() => tlsChannelBinding(socket)).toThrow(expect.objectContaining({ code: "connection-lost" }));
        expect(tlsFacts(socket)).toBeUndefined();
      }
    });
  }

  test("a binding outlives its socket", async () => {
    const { client, server } = await (await listen("TLSv1.3")).pair();
    const binding = tlsChannelBinding(client);
    client.destroy();
    expect(await all(binding)).toEqual(await all(tlsChannelBinding(server)));
  });

  test("a socket that lost its handle is connection-lost, with Node's TypeError as the cause", () => {
    const broken = {
      destroyed: false,
      exportKeyingMaterial: () => {
        throw new TypeError("Cannot read properties of null");
      },
    } as unknown as TLSSocket;
    expect(() => tlsChannelBinding(broken)).toThrow(
      expect.objectContaining({ code: "connection-lost", cause: expect.any(TypeError) as TypeError }),
    );
  });

  test("R-CB-06 R-CB-07 a version nobody knows binds to the certificate alone", async () => {
    const { client } = await (await listen("TLSv1.2")).pair();
    for (const version of ["TLSv1.4", "SSLv3", "unknown", null]) {
      client.getProtocol = () => version;
      expect(tlsChannelBinding(client, { extendedMasterSecret: true }).types).toEqual(["tls-server-end-point"]);
    }
  });
});

describe("tlsFacts", () => {
  test("tells version, cipher, verification and resumption", async () => {
    const listener = await listen("TLSv1.3");
    const { client, server } = await listener.pair();
    const cipher = "TLS_AES_256_GCM_SHA384";
    expect(tlsFacts(client)).toEqual({ version: "TLSv1.3", cipher, verified: true, resumed: false });
    expect(tlsFacts(server)).toEqual({ version: "TLSv1.3", cipher, verified: false, resumed: false });
    const trusting = await listener.pair({ ca: undefined, rejectUnauthorized: false });
    expect(tlsFacts(trusting.client)).toMatchObject({ verified: false });
  });

  const clientCertificate = { cert: file("ecdsa-sha256.cert"), key: file("ec-p256.key") };
  const sessions: readonly [who: string, options: ConnectionOptions, ca: string, verified: boolean][] = [
    ["a client without a certificate", {}, "ecdsa-sha256", false],
    ["a client with a certificate", clientCertificate, "ecdsa-sha256", true],
    ["a client with a certificate nobody vouches for", clientCertificate, "rsa-sha256", false],
  ];
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    for (const [who, options, ca, verified] of sessions) {
      test(`R-EXT-01 resumption does not verify ${who}, ${version}`, async () => {
        const listener = await listen(version, "rsa-sha256", "rsa", {
          requestCert: true,
          rejectUnauthorized: false,
          ca: file(`${ca}.cert`),
        });
        for (const { server, client } of [await listener.pair(options), await listener.resumed(options)]) {
          expect(tlsFacts(server)?.verified).toBe(verified);
          expect(tlsFacts(client)?.verified).toBe(true);
        }
      });
    }
  }

  test("tells a resumed session", async () => {
    const { client } = await (await listen("TLSv1.2")).resumed();
    expect(tlsFacts(client)).toMatchObject({ version: "TLSv1.2", verified: true, resumed: true });
  });
});

describe("tlsVersion", () => {
  for (const [version, digits] of [
    ["TLSv1.3", "0304"],
    ["TLSv1.2", "0303"],
  ] as const) {
    test(`R-TDP-01 ${version} is ${digits} at both ends, until the socket is gone`, async () => {
      const { client, server } = await (await listen(version)).pair();
      expect([tlsVersion(client), tlsVersion(server)]).toEqual([digits, digits]);
      client.destroy();
      await once(client, "close");
      expect(tlsVersion(client)).toBeUndefined();
    });
  }

  const others: readonly [version: string | null, digits: string | undefined][] = [
    ["TLSv1.1", "0302"],
    ["TLSv1", "0301"],
    ["TLSv1.4", undefined],
    ["SSLv3", undefined],
    ["unknown", undefined],
    ["constructor", undefined],
    [null, undefined],
  ];
  test.each(others)("R-TDP-01 %s is %s", (version, digits) => {
    expect(tlsVersion({ getProtocol: () => version } as unknown as TLSSocket)).toBe(digits);
  });
});

describe("tlsStrength", () => {
  const ciphers: readonly [standardName: string, bits: number][] = [
    ["TLS_AES_256_GCM_SHA384", 256],
    ["TLS_CHACHA20_POLY1305_SHA256", 256],
    ["TLS_AES_128_GCM_SHA256", 128],
    ["TLS_AES_128_CCM_8_SHA256", 128],
    ["TLS_SM4_GCM_SM3", 128],
    ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 256],
    ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", 256],
    ["TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA256", 256],
    ["TLS_ECDHE_RSA_WITH_ARIA_256_GCM_SHA384", 256],
    ["TLS_RSA_WITH_AES_128_CBC_SHA256", 128],
    ["TLS_RSA_WITH_CAMELLIA_128_CBC_SHA", 128],
    ["TLS_RSA_WITH_SEED_CBC_SHA", 128],
    ["TLS_RSA_WITH_IDEA_CBC_SHA", 128],
    ["TLS_RSA_WITH_3DES_EDE_CBC_SHA", 112],
    ["TLS_RSA_WITH_DES_CBC_SHA", 56],
    ["TLS_RSA_EXPORT_WITH_DES40_CBC_SHA", 40],
    ["TLS_RSA_EXPORT_WITH_RC4_40_MD5", 40],
    ["TLS_RSA_WITH_RC4_128_SHA", 0],
    ["TLS_ECDHE_ECDSA_WITH_NULL_SHA", 0],
    ["TLS_RSA_WITH_NULL_SHA256", 0],
    ["TLS_SHA256_SHA256", 0], // RFC 9150: integrity alone
    ["TLS_OF_THE_FUTURE_WITH_512_BITS", 0],
    ["", 0],
  ];
  for (const [standardName, bits] of ciphers) {
    test(`R-GEN-26 ${standardName || "a cipher without a name"} counts as ${bits}`, () => {
      const socket = { getProtocol: () => "TLSv1.2", getCipher: () => ({ standardName }) } as unknown as TLSSocket;
      expect(tlsStrength(socket)).toBe(bits);
    });
  }

  test("reads real sockets, at both ends, until they are gone", async () => {
    const connections: readonly [version: Version, options: ConnectionOptions, bits: number][] = [
      ["TLSv1.3", { ciphers: "TLS_AES_128_GCM_SHA256" }, 128],
      ["TLSv1.3", { ciphers: "TLS_CHACHA20_POLY1305_SHA256" }, 256],
      ["TLSv1.2", { ciphers: "ECDHE-RSA-AES256-GCM-SHA384" }, 256],
      ["TLSv1.2", { ciphers: "ECDHE-RSA-AES128-GCM-SHA256" }, 128],
    ];
    for (const [version, options, bits] of connections) {
      const { client, server } = await (await listen(version)).pair(options);
      expect([tlsStrength(client), tlsStrength(server)]).toEqual([bits, bits]);
      client.destroy();
      await once(client, "close");
      expect(tlsStrength(client)).toBe(0);
    }
    expect(tlsStrength(new TLSSocket(undefined as unknown as Socket))).toBe(0);
  });
});
