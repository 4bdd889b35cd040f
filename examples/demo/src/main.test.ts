import { afterEach, expect, test, vi } from "vitest";
import { demo } from "./main.js";
import { MAX_COLUMNS } from "./terminal.js";

/** Runs the demonstration and gives what it wrote. */
async function run(args: readonly string[], isTTY = false): Promise<{ exitCode: number; text: string }> {
  let text = "";
  const write = (chunk: unknown): boolean => {
    text += String(chunk);
    return true;
  };
  return { exitCode: await demo(args, { write, isTTY }), text };
}

afterEach(() => vi.unstubAllEnvs());

test("the demonstration logs in with SCRAM-SHA-256-PLUS over tls-exporter three times", async () => {
  const { exitCode, text } = await run([]);
  expect(exitCode).toBe(0);
  for (const protocol of ["SMTP", "IMAP", "XMPP"]) {
    expect(text).toMatch(new RegExp(`^${protocol} +SCRAM-SHA-256-PLUS +tls-exporter +yes +`, "m"));
  }
  expect(text).toContain('in the INBOX: "Lunch at noon?"');
  expect(text).toContain('heard "Do not forget lunch." from alice@localhost/');
  expect(text).toContain("c=<p=tls-exporter,, and 32 octets of channel binding>");
});

test("the demonstration fits 100 columns and shows neither secrets nor colours", async () => {
  for (const args of [[], ["--wrong-password"]]) {
    const { text } = await run(args);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(MAX_COLUMNS);
    expect(text).not.toContain("correct horse");
    expect(text).not.toMatch(/[pv]=(?!<|tls-exporter)/);
    expect(text).not.toContain("\u001b");
  }
});

test("the demonstration shows the three refusals of a wrong password and exits 1", async () => {
  const { exitCode, text } = await run(["--wrong-password"]);
  expect(exitCode).toBe(1);
  expect(text).toMatch(/^SMTP +AuthenticationFailure {2}refused {2}535 5\.7\.8 /m);
  expect(text).toMatch(/^IMAP +AuthenticationFailure {2}refused {2}NO \[AUTHENTICATIONFAILED\] /m);
  expect(text).toMatch(/^XMPP +AuthenticationFailure {2}refused {2}not-authorized /m);
});

test("the demonstration refuses what it does not know", async () => {
  expect(await run(["--wrong"])).toMatchObject({ exitCode: 64 });
});

test("the demonstration is in colours on a terminal unless NO_COLOR is set", async () => {
  vi.stubEnv("TERM", "xterm");
  vi.stubEnv("NO_COLOR", "");
  expect((await run(["--wrong-password"], true)).text).toContain("\u001b[1m");
  vi.stubEnv("NO_COLOR", "1");
  expect((await run(["--wrong-password"], true)).text).not.toContain("\u001b");
});
