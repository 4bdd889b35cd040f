/** The three examples as somebody at a command line sees them: what they print, and how they end. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { main as chatClient } from "example-chat-client";
import { main as mailFetcher } from "example-mail-fetcher";
import { main as mailer } from "example-mailer";
import { startServer, type TestServer } from "sasl-cli/server";
import { memoryAccounts } from "sasl-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";

const PASSWORD = "correct horse battery staple";
const folder = mkdtempSync(join(tmpdir(), "sasl-examples-"));
const passwordFile = join(folder, "password");
const caFile = join(folder, "ca.pem");
let server: TestServer;
let text = "";

beforeAll(async () => {
  server = await startServer({
    ports: { smtp: 0, smtps: 0, imap: 0, imaps: 0, xmpp: 0, xmpps: 0 },
    accounts: memoryAccounts({ alice: PASSWORD }),
  });
  writeFileSync(passwordFile, `${PASSWORD}\n`);
  writeFileSync(caFile, server.caPem);
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

beforeEach(() => {
  text = "";
  vi.stubEnv("SASL_PASSWORD", PASSWORD);
  for (const name of ["log", "error"] as const) {
    vi.spyOn(console, name).mockImplementation((...words) => {
      text += `${words.join(" ")}\n`;
    });
  }
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const examples = [
  { name: "mailer", main: mailer, service: "smtp", does: "sent to alice@localhost: " },
  { name: "mail-fetcher", main: mailFetcher, service: "imap", does: "" },
  { name: "chat-client", main: chatClient, service: "xmpp", does: "Hello, me" },
] as const;

for (const { name, main, service, does } of examples) {
  const url = (scheme: typeof service | `${typeof service}s`) => `${scheme}://alice@localhost:${server.ports[scheme]}`;

  describe(name, () => {
    test("logs in over STARTTLS and over TLS", async () => {
      for (const scheme of [service, `${service}s`] as const) {
        expect([await main([url(scheme), "--ca", caFile]), text]).toEqual([0, expect.stringContaining(does)]);
        expect(text).toMatch(/logged in as alice\S* with SCRAM-SHA-512-PLUS/);
      }
    });

    test("takes the password from a file, and shows the login without it", async () => {
      vi.stubEnv("SASL_PASSWORD", undefined);
      expect(await main([url(service), "--ca", caFile, "--password-file", passwordFile, "--trace"])).toBe(0);
      expect(text).toMatch(/^send +initiate p=tls-exporter,,n=alice,r=/m);
      expect(text).toMatch(/,p=<\d+ characters>$/m);
      expect(text).not.toContain("battery");
    });

    test("leaves the channel alone when told so", async () => {
      expect(await main([url(service), "--ca", caFile, "--channel-binding", "disable"])).toBe(0);
      expect(text).toMatch(/with SCRAM-SHA-512$/m);
    });

    const lines = (): string[] => text.trimEnd().split("\n");

    test("says in one line that the password is wrong, and ends with 1", async () => {
      vi.stubEnv("SASL_PASSWORD", "wrong");
      expect(await main([url(service), "--ca", caFile])).toBe(1);
      expect(lines()).toEqual([expect.stringMatching(new RegExp(`^${name}: the server re`))]);
    });

    test("says in one line that there is no connection, and ends with 3", async () => {
      const unreachable = [
        [`${service}://alice@localhost:1`, "--ca", caFile],
        [url(service)], // a certificate nobody knows
        [url(`${service}s`)],
        [url(service).replace(`${service}:`, `${service}s:`), "--ca", caFile], // no TLS there
      ];
      for (const args of unreachable) {
        text = "";
        expect(await main(args)).toBe(3);
        expect(lines()).toEqual([expect.stringMatching(new RegExp(`^${name}: `))]);
      }
    });

    test("says how it is used when it was used wrongly, and ends with 64", async () => {
      const wrong: readonly string[][] = [
        [],
        ["http://alice@localhost"],
        [`${service}://localhost`],
        [`${service}://alice:secret@localhost`],
        [url(service), "--bogus"],
        [url(service), "--ca", join(folder, "missing")],
        [url(service), "--password-file", join(folder, "missing")],
        [url(service), "--channel-binding", "perhaps"],
      ];
      for (const args of wrong) {
        text = "";
        expect(await main(args)).toBe(64);
        expect(text).toContain("\nusage: ");
        expect(text).not.toContain("secret");
      }
    });
  });
}

test("mail-fetcher ends with 2 where it cannot bind the channel as it was told to", async () => {
  const plain = await startServer({
    ports: { imap: 0 },
    accounts: memoryAccounts({ alice: PASSWORD }),
    mechanisms: [],
  });
  try {
    const url = `imap://alice@localhost:${plain.ports.imap}`;
    writeFileSync(join(folder, "other.pem"), plain.caPem);
    expect(await mailFetcher([url, "--ca", join(folder, "other.pem"), "--channel-binding", "require"])).toBe(2);
  } finally {
    await plain.close();
  }
});

test("mailer refuses what is no address", async () => {
  const url = `smtp://alice@localhost:${server.ports.smtp}`;
  expect(await mailer([url, "--ca", caFile, "--to", "bob@example.org>\r\nRCPT TO:<eve@example.org"])).toBe(64);
});
