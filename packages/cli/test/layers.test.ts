import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { DIGEST_MD5 } from "sasl-core/mechanisms";
import { runCommand as imapCommand, greet as imapGreet, authenticate as imapLogin } from "sasl-imap";
import { nodeLineTransport } from "sasl-lines/node";
import { ehlo, runCommand as smtpCommand, greet as smtpGreet, authenticate as smtpLogin } from "sasl-smtp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mechanismNamed } from "../src/known-mechanisms.js";
import type { LoginEvent, ServiceName, TestServer } from "../src/server/index.js";
import { Folder, password, sasl, serveAll } from "./support.js";

const folder = new Folder();
const passwordFile = folder.file("password", password);
const mechanisms = ["DIGEST-MD5", "SCRAM-SHA-256", "PLAIN"].map((name) => mechanismNamed(name) as never);
const events: LoginEvent[] = [];
/** In the clear as well, and with layers over TLS for those who want them. */
let open: TestServer;
/** As it is by default, but for a bound. */
let strict: TestServer;

beforeAll(async () => {
  open = await serveAll({ mechanisms, allowPlaintext: true, maxSsf: 128, onLogin: (event) => events.push(event) });
  strict = await serveAll({ mechanisms, allowPlaintext: true, minSsf: 56 });
});
afterAll(async () => {
  await Promise.all([open?.close(), strict?.close()]);
  folder.remove();
});

function login(server: TestServer, service: ServiceName, ...more: string[]): ReturnType<typeof sasl> {
  const url = `${service}://alice@localhost:${server.ports[service]}`;
  return sasl(["login", url, "--ca", server.ca, "--password-file", passwordFile, "--json", ...more]);
}

const digest = ["--mechanism", "DIGEST-MD5"];
const clear = ["--tls", "none"];

describe.each(["imap", "smtp", "xmpp"] as const)("security layers of DIGEST-MD5 over %s", (service) => {
  const strengths: readonly [what: string, options: string[], ssf: number][] = [
    ["the strongest there is, without TLS", clear, 128],
    ["as strong as allowed", [...clear, "--max-ssf", "60"], 56],
    ["integrity alone", [...clear, "--max-ssf", "1"], 1],
    ["none where none is allowed", [...clear, "--max-ssf", "0"], 0],
    ["none over TLS", [], 0],
    ["over TLS, too, where somebody wants it", ["--max-ssf", "1"], 1],
    ["what is needed where TLS is not enough", ["--max-ssf", "56", "--min-ssf", "40"], 56],
  ];
  for (const [what, options, ssf] of strengths) {
    test(`${what}: ${ssf} bits, and both sides say so`, async () => {
      events.length = 0;
      const { code, json, stderr } = await login(open, service, ...digest, ...options);
      expect(json).toMatchObject({ ok: true, mechanism: "DIGEST-MD5", ssf });
      expect([code, stderr]).toEqual([0, ""]);
      expect(events).toMatchObject([{ ok: true, protocol: service, ssf }]);
    });
  }

  test("--trace says where it begins, behind the exchange", async () => {
    const { stderr } = await login(open, service, ...digest, ...clear, "--trace");
    const lines = stderr.trimEnd().split("\n");
    expect(lines.at(-1)).toBe("-- DIGEST-MD5 from here on a security layer of 128 bits");
    expect(lines.filter((line) => line.startsWith("-- "))).toHaveLength(1);
    const none = await login(open, service, ...digest, "--trace");
    expect(none.stderr).not.toContain("security layer");
  });

  test("a sentence for people", async () => {
    const url = `${service}://alice@localhost:${open.ports[service]}`;
    const argv = ["login", url, ...clear, ...digest, "--password-file", passwordFile];
    expect((await sasl(argv)).stdout).toMatch(/; no TLS; a security layer of 128 bits; [0-9]+ ms\n$/);
    const integrity = await sasl([...argv, "--max-ssf", "1"]);
    expect(integrity.stdout).toMatch(/; a security layer of 1 bit: integrity alone; [0-9]+ ms\n$/);
  });

  test("a server that wants more than there is offers what can bring it, and nothing else", async () => {
    const weak = await login(strict, service, ...clear, "--mechanism", "SCRAM-SHA-256");
    expect(weak.json).toMatchObject({ ok: false, offered: ["DIGEST-MD5"], error: { code: "no-common-mechanism" } });
    const strong = await login(strict, service, ...clear, ...digest);
    expect(strong.json).toMatchObject({ ok: true, ssf: 128 });
    const secure = await login(strict, service);
    expect(secure.json).toMatchObject({ ok: true, mechanism: "SCRAM-SHA-256", ssf: 0 });
    const short = await login(strict, service, ...clear, ...digest, "--max-ssf", "1");
    expect(short.json.ok).toBe(false);
    expect([short.code, short.stderr.split("\n")]).toEqual([2, [expect.stringMatching(/^sasl login: /), ""]]);
  });

  test("a client that wants more than there is: exit 2, one line", async () => {
    const { code, json, stderr } = await login(open, service, ...clear, "--min-ssf", "56");
    expect(json).toMatchObject({ ok: false, error: { kind: "SASLFailure", code: "no-common-mechanism" } });
    expect(json.error.text).toContain("bits of protection are less than 56");
    expect(json.error.text).toContain("--min-ssf asks for less");
    expect([code, stderr.split("\n")]).toEqual([2, [`sasl login: ${json.error.text}`, ""]]);
  });
});

/** In the middle: takes SCRAM out of what the server says. @returns its port. */
async function between(port: number | undefined): Promise<{ port: number; close(): void }> {
  const proxy = createServer((client) => {
    const upstream = connect(port as number, "127.0.0.1");
    upstream.on("data", (chunk) => {
      client.write(Buffer.from(chunk.toString("latin1").replaceAll("SCRAM-SHA-256", "XXXXX-XXX-XXX"), "latin1"));
    });
    client.on("data", (chunk) => upstream.write(chunk)).on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
    for (const socket of [client, upstream]) socket.on("error", () => {});
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return { port: (proxy.address() as AddressInfo).port, close: () => proxy.close() };
}

for (const service of ["imap", "smtp"] as const) {
  test(`R-GEN-25 ${service}: a stronger mechanism that was hidden on the way is seen through the layer`, async () => {
    const { port, close } = await between(open.ports[service]);
    const argv = ["login", `${service}://alice@localhost:${port}`, ...clear, "--password-file", passwordFile, "--json"];
    const { code, json } = await sasl([...argv, "--mechanism", "SCRAM-SHA-256,DIGEST-MD5"]);
    const alone = await sasl([...argv, "--mechanism", "DIGEST-MD5"]);
    close();
    expect(json.error).toMatchObject({ kind: "SASLFailure", code: "peer-not-verified" });
    expect(json.error.text).toMatch(
      /^the server offers SCRAM-SHA-256 as well, which somebody on the way had taken out;/,
    );
    expect(code).toBe(2);
    expect(alone.json).toMatchObject({ ok: true, ssf: 128 });
  });
}

test("mail goes in through a layer and comes out through another, octet for octet", async () => {
  const login = [DIGEST_MD5({ username: "alice", password })];
  const options = { host: "localhost", policy: { maxSsf: 1 } };
  const body = `caf\u00e9 ${"x".repeat(900)}`;

  const smtp = nodeLineTransport(connect(open.ports.smtp as number, "127.0.0.1"));
  const submission = await smtpGreet(smtp);
  expect((await smtpLogin(smtp, submission.announced, login, options)).layer?.ssf).toBe(1);
  expect((await ehlo(smtp)).mechanisms).toContain("DIGEST-MD5"); // R-SMTP-01
  for (const command of ["MAIL FROM:<alice@localhost>", "RCPT TO:<alice@localhost>", "DATA"]) {
    expect((await smtpCommand(smtp, command)).code).toBeLessThan(400);
  }
  await smtp.write("Subject: x\r\n\r\n");
  for (let i = 0; i < 200; i++) await smtp.write(`${body}\r\n`);
  expect((await smtpCommand(smtp, ".")).code).toBe(250);
  smtp.close();

  const imap = nodeLineTransport(connect(open.ports.imap as number, "127.0.0.1"));
  const access = await imapGreet(imap);
  expect((await imapLogin(imap, access.announced, login, options)).layer?.ssf).toBe(1);
  const untagged: string[] = [];
  await imapCommand(imap, "SELECT INBOX", { onUntagged: (line) => untagged.push(String(line)) });
  expect(untagged.join("\n")).toContain("1 EXISTS");
  await imap.write("z1 FETCH 1 BODY[TEXT]\r\n");
  const size = Number(/\{([0-9]+)\}$/.exec(await imap.readLine(1000))?.[1]);
  const text = Buffer.from(await imap.readBytes(size)).toString();
  expect(text).toBe(`${body}\r\n`.repeat(200));
  imap.close();
});

describe("bounds", () => {
  for (const command of [
    ["login", "imap://alice@localhost:1"],
    ["serve", "--imap", "0"],
  ]) {
    for (const option of ["--min-ssf", "--max-ssf"]) {
      for (const value of ["-1", "x", "1.5", "10000", ""]) {
        test(`${command[0]} ${option} ${JSON.stringify(value)}: exit 64`, async () => {
          const { code, stderr } = await sasl([...command, `${option}=${value}`]);
          expect(stderr).toMatch(new RegExp(`^sasl ${command[0]}: [^\\n]*${option}[^\\n]*\\n$`));
          expect(code).toBe(64);
        });
      }
    }
  }
});
