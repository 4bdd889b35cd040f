/**
 * Servers that stop, flood, close, lie and talk nonsense: the right exit code within the time limit, no secret, no stack.
 */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Folder, sasl } from "./support.js";

const folder = new Folder();
const secret = "hunter2-hunter2";
let passwordFile: string;
let server: Server | undefined;
const sockets = new Set<Socket>();

beforeAll(() => {
  passwordFile = folder.file("password", secret);
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
  server = undefined;
});
afterAll(() => folder.remove());

/** Says something when connected, and answers each chunk from a list. */
type Script = readonly [
  greeting: string,
  ...answers: readonly (string | ((heard: string, socket: Socket) => string))[],
];

function listen(script: Script, onSocket?: (socket: Socket) => void): Promise<number> {
  return new Promise((resolve) => {
    const listening = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      onSocket?.(socket);
      const [greeting, ...answers] = script;
      if (greeting !== "") socket.write(greeting);
      let turn = 0;
      socket.on("data", (chunk) => {
        const answer = answers[turn++];
        if (answer === undefined) return;
        const text =
          typeof answer === "string" ? answer.replaceAll("TAG", tagOf(chunk)) : answer(String(chunk), socket);
        if (text === "CLOSE") socket.destroy();
        else if (text !== "") socket.write(text);
      });
    }).listen(0, "127.0.0.1", () => resolve((listening.address() as AddressInfo).port));
    server = listening;
  });
}

/** The tag of an IMAP command. */
function tagOf(chunk: Uint8Array): string {
  return String(chunk).split(" ")[0] as string;
}

const imapHello = "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=SCRAM-SHA-256] ready\r\n";
const smtpHello = ["220 mx ESMTP\r\n", "250-mx\r\n250 AUTH PLAIN SCRAM-SHA-256\r\n"] as const;
const stream =
  "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1' from='localhost' version='1.0'>";
const features =
  "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism><mechanism>SCRAM-SHA-256</mechanism></mechanisms></stream:features>";
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const flood = "x".repeat(1_000_000);

interface Row {
  readonly why: string;
  readonly scheme: "imap" | "smtp" | "xmpp" | "imaps" | "xmpps";
  readonly script: Script;
  readonly code: number;
  readonly error: Record<string, unknown>;
  readonly options?: readonly string[];
}

const rows: readonly Row[] = [
  { why: "never greets", scheme: "imap", script: [""], code: 3, error: { code: "timed-out" } },
  { why: "never greets", scheme: "smtp", script: [""], code: 3, error: { code: "timed-out" } },
  { why: "never opens a stream", scheme: "xmpp", script: [""], code: 3, error: { code: "timed-out" } },
  { why: "never shakes hands", scheme: "imaps", script: [""], code: 3, error: { code: "timed-out" } },
  { why: "never shakes hands", scheme: "xmpps", script: [""], code: 3, error: { code: "timed-out" } },
  { why: "stops in the exchange", scheme: "imap", script: [imapHello, ""], code: 3, error: { code: "timed-out" } },
  {
    why: "closes in the exchange",
    scheme: "imap",
    script: [imapHello, "CLOSE"],
    code: 3,
    error: { code: "connection-lost" },
  },
  {
    why: "closes in the exchange",
    scheme: "smtp",
    script: [...smtpHello, "CLOSE"],
    code: 3,
    error: { code: "connection-lost" },
  },
  {
    why: "closes in the exchange",
    scheme: "xmpp",
    script: ["", stream + features, "CLOSE"],
    code: 3,
    error: { code: "connection-lost" },
  },
  { why: "floods instead of a greeting", scheme: "imap", script: [flood], code: 2, error: { code: "limit-exceeded" } },
  { why: "floods instead of a greeting", scheme: "smtp", script: [flood], code: 2, error: { code: "limit-exceeded" } },
  { why: "floods instead of a stream", scheme: "xmpp", script: ["", flood], code: 2, error: { kind: "SASLFailure" } },
  {
    why: "floods in one element",
    scheme: "xmpp",
    script: ["", `${stream}<stream:features>${flood}`],
    code: 2,
    error: { code: "limit-exceeded" },
  },
  {
    why: "floods in the exchange",
    scheme: "imap",
    script: [imapHello, `+ ${flood}`],
    code: 2,
    error: { code: "limit-exceeded" },
  },
  {
    why: "speaks another protocol",
    scheme: "imap",
    script: ["220 mx ESMTP\r\n"],
    code: 2,
    error: { kind: "SASLFailure" },
  },
  { why: "speaks another protocol", scheme: "smtp", script: [imapHello], code: 2, error: { kind: "SASLFailure" } },
  { why: "speaks another protocol", scheme: "xmpp", script: [imapHello], code: 2, error: { kind: "SASLFailure" } },
  {
    why: "says success too early",
    scheme: "imap",
    script: [imapHello, "TAG OK done\r\n"],
    code: 2,
    error: { code: "peer-not-verified" },
  },
  {
    why: "says success too early",
    scheme: "smtp",
    script: [...smtpHello, "235 2.7.0 ok\r\n"],
    code: 2,
    error: { code: "peer-not-verified" },
  },
  {
    why: "says success too early",
    scheme: "xmpp",
    script: ["", stream + features, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"],
    code: 2,
    error: { code: "peer-not-verified" },
  },
  {
    why: "sends a challenge that is no base64",
    scheme: "imap",
    script: [imapHello, "+ ***\r\n", "TAG BAD cancelled\r\n"],
    code: 2,
    error: { code: "incorrect-encoding" },
  },
  {
    why: "sends a challenge that is no base64",
    scheme: "smtp",
    script: [...smtpHello, "334 ***\r\n", "501 5.7.0 cancelled\r\n"],
    code: 2,
    error: { code: "incorrect-encoding" },
  },
  {
    why: "sends a nonce of its own",
    scheme: "imap",
    script: [imapHello, `+ ${base64("r=mine,s=c2FsdHNhbHQ=,i=4096")}\r\n`, "TAG BAD cancelled\r\n"],
    code: 2,
    error: { kind: "SASLFailure" },
  },
  {
    why: "answers a command nobody sent",
    scheme: "imap",
    script: [imapHello, "zzz OK done\r\n"],
    code: 2,
    error: { code: "unexpected-message" },
  },
  {
    why: "says PREAUTH",
    scheme: "imap",
    script: ["* PREAUTH [CAPABILITY IMAP4rev1] hello\r\n"],
    code: 2,
    error: { code: "channel-not-protected" },
  },
  { why: "says BYE", scheme: "imap", script: ["* BYE full\r\n"], code: 3, error: { code: "connection-lost" } },
  {
    why: "is busy",
    scheme: "smtp",
    script: ["421 4.3.2 busy\r\n"],
    code: 2,
    error: { code: "temporary", peer: "421 4.3.2 busy" },
  },
  {
    why: "closes with a stream error",
    scheme: "xmpp",
    script: [
      "",
      `${stream}<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>`,
    ],
    code: 3,
    error: { code: "connection-lost", text: expect.stringContaining("host-unknown") },
  },
  {
    why: "offers nothing",
    scheme: "imap",
    script: ["* OK [CAPABILITY IMAP4rev1] ready\r\n"],
    code: 2,
    error: { code: "no-common-mechanism" },
  },
  {
    why: "offers no STARTTLS",
    scheme: "imap",
    script: [imapHello],
    code: 2,
    error: { code: "channel-not-protected", text: expect.stringContaining("does not offer STARTTLS") },
    options: [],
  },
  {
    why: "offers no STARTTLS",
    scheme: "smtp",
    script: smtpHello,
    code: 2,
    error: { code: "channel-not-protected", text: expect.stringContaining("does not offer STARTTLS") },
    options: [],
  },
  {
    why: "offers no STARTTLS",
    scheme: "xmpp",
    script: ["", stream + features],
    code: 2,
    error: { code: "channel-not-protected", text: expect.stringContaining("does not offer STARTTLS") },
    options: [],
  },
  {
    why: "refuses STARTTLS",
    scheme: "imap",
    script: ["* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n", "TAG NO not now\r\n"],
    code: 2,
    error: { code: "channel-not-protected", peer: "NO not now" },
    options: [],
  },
  {
    why: "refuses STARTTLS",
    scheme: "smtp",
    script: ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "454 4.7.0 not now\r\n"],
    code: 2,
    error: { code: "channel-not-protected", peer: "454 4.7.0 not now" },
    options: [],
  },
  {
    why: "talks on in the clear after STARTTLS",
    scheme: "imap",
    script: ["* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n", "TAG OK begin\r\n* CAPABILITY AUTH=PLAIN\r\n"],
    code: 2,
    error: { code: "peer-not-verified" },
    options: [],
  },
  {
    why: "talks on in the clear after STARTTLS",
    scheme: "smtp",
    script: ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n250 AUTH PLAIN\r\n"],
    code: 2,
    error: { code: "peer-not-verified" },
    options: [],
  },
  {
    why: "closes instead of shaking hands",
    scheme: "imap",
    script: ["* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n", "TAG OK begin\r\n", "CLOSE"],
    code: 3,
    error: { code: "tls-failed" },
    options: [],
  },
  {
    why: "repeats the password in its refusal",
    scheme: "imap",
    script: [imapHello, `TAG NO ${secret} and ${base64(secret)} are wrong\r\n`],
    code: 1,
    error: { code: "refused" },
    options: ["--tls", "none", "--allow-plaintext", "--mechanism", "PLAIN"],
  },
  {
    why: "writes on the terminal",
    scheme: "imap",
    script: [imapHello, "TAG NO \u001b[2J\u0007 gone\r\n"],
    code: 1,
    error: { peer: expect.not.stringContaining("\u001b") },
    options: ["--tls", "none", "--allow-plaintext", "--mechanism", "PLAIN"],
  },
];

const inTheClear = ["--tls", "none"];
const plainly = ["--tls", "none", "--allow-plaintext", "--mechanism", "PLAIN"];

describe("sasl login against a server that", () => {
  for (const { why, scheme, script, code, error, options } of rows) {
    test(`${why}, ${scheme}: exit ${code}`, async () => {
      const port = await listen(script);
      const direct = scheme.endsWith("s");
      const argv = [
        "login",
        `${scheme}://alice@127.0.0.1:${port}`,
        "--json",
        "--timeout",
        "1",
        "--password-file",
        passwordFile,
      ];
      const domain = scheme.startsWith("xmpp") ? ["--domain", "localhost"] : [];
      const began = performance.now();
      const run = await sasl([...argv, ...domain, ...(options ?? (direct ? [] : inTheClear))]);
      expect(run.json).toMatchObject({ ok: false, error });
      expect(run.code).toBe(code);
      expect(run.stderr).toMatch(/^sasl login: [^\n]+\n$/);
      expect(run.stdout + run.stderr).not.toMatch(/\n\s+at /);
      for (const form of [secret, base64(secret).replace(/=+$/, "")])
        expect(run.stdout + run.stderr).not.toContain(form);
      expect(performance.now() - began).toBeLessThan(4000);
    });
  }

  test("R-LIM-06 comes in single octets", async () => {
    const port = await listen(["", "TAG NO [AUTHENTICATIONFAILED] no\r\n"], (socket) => {
      void (async () => {
        for (const octet of imapHello) {
          socket.write(octet);
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
    });
    const argv = [
      "login",
      `imap://alice@127.0.0.1:${port}`,
      "--json",
      "--password-file",
      passwordFile,
      "--tls",
      "none",
    ];
    const run = await sasl([...argv, "--timeout", "5"]);
    expect(run.json.offered).toEqual(["PLAIN", "SCRAM-SHA-256"]);
    expect(run.code).toBe(1);
  });
});

describe("what sasl login says of a server that", () => {
  type Said = readonly [why: string, scheme: string, script: Script, options: readonly string[], text: RegExp];
  const startTls = ["* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] ready\r\n", "TAG OK begin\r\n", ""] as const;
  const said: readonly Said[] = [
    ["never greets", "imap", [""], [], /while waiting for the server's greeting; .*scheme is imaps/],
    ["never greets", "smtp", [""], [], /scheme is smtps/],
    ["never opens a stream", "xmpp", [""], ["--domain", "localhost"], /scheme is xmpps/],
    ["never shakes hands", "imaps", [""], [], /while the TLS handshake; if TLS begins with STARTTLS.*scheme is imap/],
    ["never shakes hands after STARTTLS", "imap", startTls, [], /while the TLS handshake after STARTTLS/],
    ["stops in the exchange", "imap", [imapHello, ""], ["--tls", "none"], /while logging in/],
    ["speaks SMTP", "imap", ["220 mx ESMTP\r\n"], [], /this is no IMAP greeting; check host and port/],
    [
      "ends lines with LF",
      "imap",
      ["* OK hello\n"],
      [],
      /lines end with CRLF; the server must end its lines with CRLF/,
    ],
    ["sends no base64", "imap", [imapHello, "+ ***\r\n", "TAG BAD no\r\n"], ["--tls", "none"], /keep to the protocol/],
    [
      "offers something else",
      "imap",
      [imapHello],
      [...plainly, "--mechanism", "LOGIN"],
      /: LOGIN is not offered; offered: PLAIN, SCRAM-SHA-256$/m,
    ],
  ];
  for (const [why, scheme, script, options, text] of said) {
    test(`${why}, ${scheme}`, async () => {
      const port = await listen(script);
      const argv = [
        "login",
        `${scheme}://alice@127.0.0.1:${port}`,
        "--timeout",
        "0.5",
        "--password-file",
        passwordFile,
      ];
      const { stderr } = await sasl([...argv, ...options]);
      expect(stderr).toMatch(text);
      expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    });
  }

  test("R-IMAP-11 fails after STARTTLS: what it offered before is not what it offers", async () => {
    const port = await listen(startTls);
    const argv = ["login", `imap://alice@127.0.0.1:${port}`, "--timeout", "0.5", "--password-file", passwordFile];
    expect((await sasl([...argv, "--json"])).json).toMatchObject({ ok: false, offered: [], skipped: [] });
  });

  for (const greeting of ["* PREAUTH hello\r\n", "* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n"]) {
    test(`R-IMAP-12 says ${greeting.trimEnd()} before STARTTLS: it is told nothing`, async () => {
      let heard = "";
      const port = await listen([greeting], (socket) => socket.on("data", (chunk) => (heard += chunk)));
      const argv = ["login", `imap://alice@127.0.0.1:${port}`, "--json", "--password-file", passwordFile];
      const { code, json } = await sasl(argv);
      expect(json).toMatchObject({ ok: false, error: { code: "channel-not-protected" } });
      expect(json.error.text).toMatch(/wants no TLS before authentication; use the scheme with direct TLS/);
      expect([code, heard]).toEqual([2, ""]);
    });
  }

  test("does not offer the mechanism named: it is among those passed over", async () => {
    const port = await listen([imapHello]);
    const argv = [
      "login",
      `imap://alice@127.0.0.1:${port}`,
      "--tls",
      "none",
      "--password-file",
      passwordFile,
      "--json",
    ];
    const { json } = await sasl([...argv, "--mechanism", "LOGIN"]);
    expect(json.skipped).toContainEqual({ mechanism: "LOGIN", reason: "not offered" });
  });

  test("lets PLAIN in without TLS: it proved nothing", async () => {
    const port = await listen([imapHello, "TAG OK in\r\n", "* BYE\r\nTAG OK bye\r\n"]);
    const argv = ["login", `imap://alice@127.0.0.1:${port}`, "--password-file", passwordFile];
    const { stdout } = await sasl([...argv, ...plainly]);
    expect(stdout).toMatch(/the server proved nothing; no TLS/);
  });
});

describe("R-GEN-30 sasl login against a server that sends back", () => {
  const replies: readonly [why: string, password: string, reply: (heard: string) => string][] = [
    ["the whole command", secret, (heard) => `500 5.5.1 Command unrecognized: "${heard.trimEnd()}"\r\n`],
    ["a part of it", secret, (heard) => `500 5.5.1 Command unrecognized: "${heard.slice(0, 36)}..."\r\n`],
    ["a short password", "abc", (heard) => `535 5.7.8 ${heard.trimEnd()}\r\n`],
    ["the password behind much else", secret, () => `535 5.7.8 ${"x ".repeat(488)}${secret}\r\n`],
    [
      "the password behind half a message",
      secret,
      () => `535 5.7.8 ${"x ".repeat(485)}${base64(`\0alice\0${secret}`)}\r\n`,
    ],
  ];
  for (const [why, password, reply] of replies) {
    test(why, async () => {
      const port = await listen([...smtpHello, reply]);
      const file = folder.file("other", password);
      const argv = ["login", `smtp://alice@127.0.0.1:${port}`, "--trace", "--json", "--password-file", file];
      const { stdout, stderr, code } = await sasl([...argv, ...plainly]);
      expect([1, 2]).toContain(code);
      const message = base64(`\0alice\0${password}`);
      for (const form of [password.slice(0, 5), message.slice(0, 12), message.slice(-8)])
        expect(stdout + stderr).not.toContain(form);
      expect(stdout).toMatch(/<[0-9]+ characters/);
    });
  }
});

describe("sasl probe against a server that", () => {
  test("offers no STARTTLS: shows what it offered, exit 2", async () => {
    const port = await listen([imapHello]);
    const argv = ["probe", `imap://127.0.0.1:${port}`];
    const run = await sasl([...argv, "--json"]);
    expect(run.json).toMatchObject({
      ok: false,
      error: { code: "channel-not-protected" },
      before: { mechanisms: ["PLAIN", "SCRAM-SHA-256"] },
    });
    expect(run.code).toBe(2);
    expect((await sasl(argv)).stdout).toContain("before TLS: PLAIN SCRAM-SHA-256");
  });

  test("never answers: exit 3", async () => {
    const port = await listen([""]);
    const run = await sasl(["probe", `xmpp://127.0.0.1:${port}`, "--json", "--timeout", "0.5"]);
    expect(run.json).toMatchObject({ ok: false, error: { code: "timed-out" } });
    expect(run.code).toBe(3);
  });
});
