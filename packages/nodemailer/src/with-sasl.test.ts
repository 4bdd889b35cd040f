/** The real nodemailer against our own servers, honest and hostile ones. */
import { connect } from "node:net";
import { createTransport } from "nodemailer";
import {
  type CredentialRequest,
  memoryAccounts,
  SASLFailure,
  type SASLMechanism,
  SASLServer,
  type SASLServerSession,
} from "sasl-core";
import { plain, scramSha256 } from "sasl-core/mechanisms";
import { OAUTHBEARER, PLAIN, SCRAM, SCRAMPLUS } from "sasl-smtp/mechanisms";
import { afterEach, describe, expect, test } from "vitest";
import { cert, mailServer, password, type Running, scriptedServer, token } from "../test/mail-server.js";
import { type AuthenticationResult, isSASLError, type SASLOptions, type TransportOptions, withSASL } from "./index.js";

const alice = { username: "alice", password };
const passwords = [SCRAMPLUS(alice), SCRAM(alice), PLAIN(alice)];
const letter = { from: "alice@localhost", to: "bob@localhost", subject: "Hello", text: "Hello, Bob." };

const running: Running[] = [];
const started = <T extends Running>(server: T): T => {
  running.push(server);
  return server;
};
afterEach(async () => {
  for (const server of running.splice(0)) await server.close();
});

/** Options for a server of ours. */
function at({ port }: Running, more: TransportOptions = {}): TransportOptions {
  return { host: "127.0.0.1", servername: "localhost", port, tls: { ca: cert }, name: "test.localhost", ...more };
}

/** What a login came to: the code of our error, or of nodemailer's where none of ours is behind it. */
async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    const { code, cause } = error as { code?: string; cause?: unknown };
    return isSASLError(cause) ? `${code} ${cause.code}` : code;
  }
}

/** Logs in once. */
async function verify(options: TransportOptions, mechanisms: readonly SASLMechanism[], more: SASLOptions = {}) {
  const results: AuthenticationResult[] = [];
  const transport = createTransport(
    withSASL(options, mechanisms, { ...more, onAuthenticated: (result) => void results.push(result) }),
  );
  try {
    return { code: await codeOf(transport.verify()), results };
  } finally {
    transport.close();
  }
}

describe("logs in and sends", () => {
  const channels: readonly [
    channel: "starttls" | "implicit" | "clear",
    options: TransportOptions,
    mechanism: string,
  ][] = [
    ["starttls", {}, "SCRAM-SHA-256-PLUS"],
    ["starttls", { requireTLS: true }, "SCRAM-SHA-256-PLUS"],
    ["implicit", { secure: true }, "SCRAM-SHA-256-PLUS"],
    ["clear", { ignoreTLS: true }, "SCRAM-SHA-256"],
  ];
  for (const [channel, options, mechanism] of channels) {
    test(`over ${channel} ${JSON.stringify(options)} by ${mechanism}`, async () => {
      const server = started(await mailServer(channel));
      const results: AuthenticationResult[] = [];
      const onAuthenticated = (result: AuthenticationResult): void => void results.push(result);
      const transport = createTransport(withSASL(at(server, options), passwords, { onAuthenticated }));
      const sent = await transport.sendMail(letter);
      transport.close();
      expect(sent.accepted).toEqual(["bob@localhost"]);
      expect(results).toMatchObject([{ mechanism, serverVerified: true }]);
      expect(server.logins).toMatchObject([{ mechanism, authcid: "alice" }]);
      expect(server.mail).toHaveLength(1);
      expect(server.mail[0]?.text).toContain("Hello, Bob.");
    });
  }

  test("through a pool: one login for each connection, not for each message", async () => {
    const server = started(await mailServer("starttls"));
    const pool = withSASL({ ...at(server), pool: true, maxConnections: 2 }, passwords);
    const transport = createTransport({ ...pool, pool: true });
    await Promise.all([1, 2, 3, 4, 5].map(() => transport.sendMail(letter)));
    transport.close();
    expect(server.mail).toHaveLength(5);
    expect(server.logins.length).toBe(server.sockets.length);
    expect(server.logins.length).toBeLessThanOrEqual(2);
    expect(new Set(server.logins.map(({ mechanism }) => mechanism))).toEqual(new Set(["SCRAM-SHA-256-PLUS"]));
  });

  test("a pool tells every message of a wrong password", async () => {
    const server = started(await mailServer("starttls"));
    const wrong = [SCRAM({ ...alice, password: "wrong" })];
    const transport = createTransport({ ...withSASL({ ...at(server), pool: true }, wrong), pool: true });
    const codes = await Promise.all([1, 2].map(() => codeOf(transport.sendMail(letter))));
    transport.close();
    expect(codes).toEqual(["EAUTH refused", "EAUTH refused"]);
  });

  test("with a token, and with PLAIN where the server has nothing else", async () => {
    const server = started(await mailServer("implicit"));
    const bearer = await verify(at(server, { secure: true }), [OAUTHBEARER({ username: "alice", token })]);
    expect(bearer).toMatchObject({ code: true, results: [{ mechanism: "OAUTHBEARER" }] });
    const simple = started(await mailServer("implicit", [plain]));
    const login = await verify(at(simple, { secure: true }), passwords);
    expect(login).toMatchObject({ code: true, results: [{ mechanism: "PLAIN" }] });
  });

  test("at a service that nodemailer knows by name, and tells its host", async () => {
    const server = started(await mailServer("starttls"));
    const asked: (string | undefined)[] = [];
    const credentials = ({ host }: CredentialRequest): typeof alice => {
      asked.push(host);
      return alice;
    };
    const options = {
      service: "outlook365",
      tls: { ca: cert, servername: "localhost" },
      getSocket: (_, callback) => {
        const socket = connect(server.port, "127.0.0.1", () => callback(null, { connection: socket }));
      },
    } satisfies TransportOptions;
    expect((await verify(options, [SCRAM(credentials)])).code).toBe(true);
    expect(asked[0]).toMatch(/office365/);
  });

  test("through a socket of the application's own", async () => {
    const server = started(await mailServer("starttls"));
    const options = at(server, {
      getSocket: (_, callback) => {
        const socket = connect(server.port, "127.0.0.1", () => callback(null, { connection: socket }));
      },
    });
    expect(await verify(options, passwords)).toMatchObject({
      code: true,
      results: [{ channelBinding: "tls-exporter" }],
    });
  });
});

describe("gives up", () => {
  const wrong = { username: "alice", password: "wrong" };
  test("on a wrong password, with the reply in nodemailer's own fields", async () => {
    const server = started(await mailServer("starttls"));
    const transport = createTransport(withSASL(at(server), [SCRAM(wrong)]));
    await expect(transport.sendMail(letter)).rejects.toMatchObject({
      code: "EAUTH",
      responseCode: 535,
      permanent: true,
      command: "AUTH SASL",
      cause: { kind: "AuthenticationFailure", code: "refused" },
    });
    expect(server.mail).toHaveLength(0);
  });

  test("where the server has no TLS, before anything is said of the user", async () => {
    const server = started(
      await scriptedServer((line) => (line.startsWith("EHLO") ? "250-me\r\n250 AUTH PLAIN\r\n" : "250 ok\r\n")),
    );
    expect((await verify(at(server), passwords)).code).toBe("ETLS channel-not-protected");
    expect(server.heard).toEqual(["EHLO test.localhost"]);
  });

  test("on PLAIN in the clear, and where the certificate was not verified", async () => {
    const clear = started(await mailServer("clear", [plain]));
    // A server of ours announces none; another one might.
    const offering = started(await scriptedServer(() => "250-me\r\n250 AUTH PLAIN\r\n"));
    expect((await verify(at(clear, { ignoreTLS: true }), passwords)).code).toBe("EAUTH no-common-mechanism");
    expect((await verify(at(offering, { ignoreTLS: true }), passwords)).code).toMatch(/^EAUTH /);
    expect(offering.heard.join()).not.toContain("AUTH");
    const tls = started(await mailServer("implicit", [plain]));
    const unverified = at(tls, { secure: true, tls: { rejectUnauthorized: false } });
    expect((await verify(unverified, passwords)).code).toMatch(/^EAUTH /);
    expect((await verify(unverified, passwords, { allowUnverifiedCertificate: true })).code).toBe(true);
  });

  test("on a certificate for another name or by nobody known", async () => {
    const server = started(await mailServer("implicit"));
    const named = at(server, { secure: true, servername: "mail.example.com" });
    expect((await verify(named, passwords)).code).toBe("ESOCKET");
    const starttls = started(await mailServer("starttls"));
    expect((await verify(at(starttls, { tls: {} }), passwords)).code).toBe("ETLS channel-not-protected");
    expect([...server.logins, ...starttls.logins]).toEqual([]);
  });

  test("where AUTH is not announced: mail is never sent without a login", async () => {
    const server = started(await scriptedServer(() => "250 me\r\n"));
    const transport = createTransport(withSASL(at(server, { ignoreTLS: true }), passwords));
    expect(await codeOf(transport.sendMail(letter))).toBe("EAUTH no-common-mechanism");
    expect(server.heard.join()).not.toContain("MAIL");
  });

  for (const auth of [
    { type: "OAuth2", user: "mallory", accessToken: token },
    { type: "OAuth2", user: "" },
    { type: "LOGIN", user: "mallory", pass: "another secret" },
    {},
  ]) {
    test(`on a wrong password, whatever a message has for auth: ${JSON.stringify(auth)}`, async () => {
      const credulous = started(
        await scriptedServer((line) => {
          if (line.startsWith("EHLO")) return "250-me\r\n250 AUTH SCRAM-SHA-256 PLAIN LOGIN XOAUTH2\r\n";
          return line.startsWith("AUTH SCRAM") ? "535 5.7.8 no\r\n" : "235 2.7.0 yes\r\n";
        }),
      );
      const transport = createTransport(withSASL(at(credulous, { ignoreTLS: true }), [SCRAM(wrong)]));
      expect(await codeOf(transport.sendMail({ ...letter, auth } as typeof letter))).toBe("EAUTH refused");
      expect(credulous.heard.join()).not.toMatch(/MAIL FROM|XOAUTH2|PLAIN|LOGIN/);
    });
  }

  test("where the application does, in its own time", async () => {
    const server = started(await mailServer("starttls"));
    const onAuthenticated = async (): Promise<void> => {
      await Promise.resolve();
      throw new SASLFailure("aborted", "not this one");
    };
    const transport = createTransport(withSASL(at(server), passwords, { onAuthenticated }));
    await expect(transport.sendMail(letter)).rejects.toMatchObject({ code: "EAUTH" });
    expect(server.mail).toHaveLength(0);
  });

  test("R-SMTP-16 where clear text follows the answer to STARTTLS", async () => {
    const server = started(
      await scriptedServer((line) =>
        line.startsWith("EHLO") ? "250-me\r\n250 STARTTLS\r\n" : "220 go\r\n250-me\r\n250 AUTH PLAIN\r\n",
      ),
    );
    expect((await verify(at(server), passwords)).code).toBe("ETLS peer-not-verified");
  });

  test("where nobody answers", async () => {
    const server = await mailServer("clear");
    await server.close();
    expect((await verify(at(server), passwords)).code).toBe("ESOCKET");
    const silent = started(await scriptedServer(() => ""));
    expect((await verify(at(silent, { connectionTimeout: 50 }), passwords)).code).toMatch(/^ETIMEDOUT/);
    const running = started(await mailServer("starttls"));
    expect((await verify(at(running, { connectionTimeout: 0 }), passwords)).code).toBe(true); // nodemailer's default
  });
});

describe("a hostile server", () => {
  const sasl = new SASLServer({ mechanisms: [scramSha256], accounts: memoryAccounts({ alice: password }) });
  const b64 = (text: string | Uint8Array): string => Buffer.from(text as string).toString("base64");
  const forged = `v=${Buffer.alloc(32, 7).toString("base64")}`;

  /** Honest until the proof has come; then says what it is told to. */
  async function server(last: (line: string) => string | undefined, first?: (honest: string) => string | undefined) {
    const session: SASLServerSession = sasl.session({ secure: true });
    let step = 0;
    const said = async (line: string): Promise<string | undefined> => {
      if (line.startsWith("EHLO")) return "250-me\r\n250 AUTH SCRAM-SHA-256 PLAIN\r\n";
      if (line.startsWith("AUTH")) {
        const reply = await session.initiate("SCRAM-SHA-256", Buffer.from(line.split(" ")[2] ?? "", "base64"));
        const honest = `334 ${b64(reply.payload as Uint8Array)}\r\n`;
        return first ? first(honest) : honest;
      }
      if (line === "*") return "501 5.7.0 cancelled\r\n";
      if (step++ === 0) return last(line);
      return "235 2.7.0 Welcome\r\n";
    };
    return started(await scriptedServer(said));
  }

  const rows: readonly [
    what: string,
    code: string,
    last: (line: string) => string | undefined,
    first?: (honest: string) => string | undefined,
  ][] = [
    ["a wrong signature, and 235 to whatever follows", "EAUTH peer-not-verified", () => `334 ${b64(forged)}\r\n`],
    ["235 without a signature", "EAUTH peer-not-verified", () => "235 2.7.0 Welcome\r\n"],
    ["235 before the proof", "EAUTH peer-not-verified", () => "", () => "235 2.7.0 Welcome\r\n"],
    ["a challenge that is no base64", "EAUTH incorrect-encoding", () => "", () => "334 %%%%\r\n"],
    ["a challenge that is no message", "EAUTH malformed-message", () => "", () => `334 ${b64("nonsense")}\r\n`],
    ["a line that is too long", "EAUTH limit-exceeded", () => "", () => `334 ${"A".repeat(20_000)}\r\n`],
    ["no answer to AUTH that fits", "EAUTH unexpected-message", () => "", () => "250 2.0.0 OK\r\n"],
    ["a temporary failure", "EAUTH temporary", () => "454 4.7.0 Later\r\n"],
    ["421 in the middle", "EAUTH temporary", () => "421 4.3.2 Bye\r\n"],
    ["a connection closed after the proof", "ECONNECTION", () => undefined],
    ["a connection closed after AUTH", "ECONNECTION", () => "", () => undefined],
  ];
  for (const [what, code, last, first] of rows) {
    test(`${what}: ${code}, and no mail`, async () => {
      const hostile = await server(last, first);
      const transport = createTransport(withSASL(at(hostile, { ignoreTLS: true }), passwords));
      expect(await codeOf(transport.sendMail(letter))).toBe(code);
      expect(hostile.heard.join()).not.toMatch(/MAIL FROM|AUTH PLAIN/);
    });
  }

  test("our own abort is said with an asterisk", async () => {
    const hostile = await server(() => `334 ${b64(forged)}\r\n`);
    expect((await verify(at(hostile, { ignoreTLS: true }), passwords)).code).toBe("EAUTH peer-not-verified");
    expect(hostile.heard).toContain("*");
    const garbled = await server(
      () => "",
      () => "334 %%%%\r\n",
    );
    await verify(at(garbled, { ignoreTLS: true }), passwords);
    expect(garbled.heard.at(-1)).toBe("*");
  });
});

describe("secrets", () => {
  /** A bunyan-like logger that keeps all it is given. */
  function recorder() {
    const entries: string[] = [];
    const keep = (...args: unknown[]): void => void entries.push(JSON.stringify(args));
    return {
      entries,
      logger: { level() {}, trace: keep, debug: keep, info: keep, warn: keep, error: keep, fatal: keep },
    };
  }

  const logins: readonly [name: string, mechanisms: readonly SASLMechanism[], secrets: readonly string[]][] = [
    ["PLAIN", [PLAIN(alice)], [password]],
    ["OAUTHBEARER", [OAUTHBEARER({ username: "alice", token })], [token]],
    ["SCRAM", [SCRAM(alice)], [password, "p="]],
    ["PLAIN, refused", [PLAIN({ ...alice, password: "another secret" })], ["another secret"]],
  ];
  for (const [name, mechanisms, secrets] of logins) {
    test(`of ${name} are in no log of nodemailer's, nor in its options`, async () => {
      const server = started(await mailServer("implicit"));
      const { entries, logger } = recorder();
      const transport = createTransport(withSASL(at(server, { secure: true, logger, debug: true }), mechanisms));
      const failure = await transport.sendMail(letter).then(
        () => undefined,
        (error: Error) => error,
      );
      transport.close();
      expect(failure === undefined).toBe(!name.includes("refused"));
      expect(entries.length).toBeGreaterThan(10);
      const auth = entries.filter((entry) => /"tnx":"client"/.test(entry));
      expect(auth.some((entry) => entry.includes("AUTH"))).toBe(true);
      const words = [
        ...entries,
        JSON.stringify(failure ?? {}),
        String(failure?.stack),
        JSON.stringify(transport.options),
      ];
      const shown = words.flatMap((text) => [text, ...decoded(text)]);
      for (const secret of secrets) expect(shown.filter((text) => text.includes(secret))).toEqual([]);
    });
  }

  /** Everything in a text that could be base64, as text. */
  function decoded(text: string): string[] {
    return (text.match(/[A-Za-z0-9+/]{8,}={0,2}/g) ?? []).map((word) => Buffer.from(word, "base64").toString());
  }
});

describe("options", () => {
  test("the method is always set, and there is no password for nodemailer to send", () => {
    const made = withSASL({ host: "mail.example.com" }, passwords);
    expect(made.auth).toEqual({ type: "custom", method: "SASL", user: "SASL", service: "SASL" });
    expect(made.forceAuth).toBe(true);
    expect(made.host).toBe("mail.example.com");
  });

  for (const [name, value] of [
    ["auth", { user: "alice", pass: password }],
    ["customAuth", {}],
    ["authMethod", "PLAIN"],
    ["proxy", "http://proxy.example.com"],
    ["socket", {}],
    ["url", "smtps://alice:secret@mail.example.com"],
    ["lmtp", true],
  ] as const) {
    test(`${name} is refused at once`, () => {
      expect(() => withSASL({ [name]: value } as TransportOptions, passwords)).toThrow(TypeError);
    });
  }
});
