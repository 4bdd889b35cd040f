/** Whatever a client sends, in whatever pieces: the server answers, ends, and lets nobody in. */
import fc from "fast-check";
import { memoryAccounts, SASLServer } from "sasl-core";
import { anonymous, cramMd5, login, oauthbearer, plain, scramSha256 } from "sasl-core/mechanisms";
import { linePair } from "sasl-lines";
import { expect, test } from "vitest";
import { SMTPConnection } from "../src/index.js";

const server = new SASLServer({
  mechanisms: [plain, login, cramMd5, scramSha256, oauthbearer, anonymous],
  accounts: memoryAccounts({ alice: "a password that is not among the pieces" }),
  random: (count) => new Uint8Array(count),
  secret: new Uint8Array(16),
});

const words = [
  [
    "EHLO x",
    "HELO x",
    "AUTH ",
    "AUTH=",
    "NOOP",
    "RSET",
    "STARTTLS",
    "MAIL FROM:<a@b>",
    "RCPT TO:<a@b>",
    "DATA",
    "VRFY x",
    ".",
  ],
  ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "OAUTHBEARER", "ANONYMOUS", "__proto__", " =", " AGFsaWNlAGE=", "*"],
  ["bix1PWFsaWNl", "biwsbj1hbGljZSxyPWFiYw==", "Yz1iaXdzLHI9YWJj", " ", "=", "<", ">", "\0"],
];
const piece = fc.oneof(
  { weight: 6, arbitrary: fc.constant("\r\n") },
  { weight: 12, arbitrary: fc.constantFrom(...words.flat()) },
  { weight: 1, arbitrary: fc.constantFrom("\r", "\n", "\u0000", "é", "x".repeat(13_000)) },
);

async function answers(input: string, chunkBytes: number | undefined): Promise<string[]> {
  const { client, server: wire } = linePair({ secure: true, chunkBytes });
  const entered: string[] = [];
  const connection = new SMTPConnection(wire, {
    server,
    onAuthenticated: ({ mechanism }) => void entered.push(mechanism),
  });
  client.write(input);
  const running = connection.run();
  // Everything that can be answered has been when the loop has turned a few times; then the client goes.
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
  client.close();
  await running;
  expect(entered).toEqual([]);
  const lines: string[] = [];
  try {
    for (;;) lines.push(await client.readLine(100_000));
  } catch {
    return lines;
  }
}

test("R-LIM-05 R-LIM-06 anything, whole and in single octets, is answered the same and lets nobody in", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 40 }), async (pieces) => {
      const input = pieces.join("");
      expect(await answers(input, 1)).toEqual(await answers(input, undefined));
    }),
    { numRuns: 150 },
  );
}, 60_000);
