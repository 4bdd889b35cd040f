/** The exchanges that specifications print as IMAP lines, replayed line for line at both ends. */
import { readdirSync, readFileSync } from "node:fs";
import { AuthenticationFailure, type SASLInterface, type SASLReply } from "sasl-core";
import { describe, expect, test } from "vitest";
import { parseStatus, SASLClient, serve } from "../src/index.js";
import { Script } from "./script.js";

interface Vector {
  readonly id: string;
  readonly wire?: { readonly protocol: string; readonly lines: readonly string[] };
  readonly result: { readonly outcome: string };
}

const folder = new URL("../../core/test/vectors/", import.meta.url);
const vectors = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .flatMap((name) => (JSON.parse(readFileSync(new URL(name, folder), "utf8")) as { vectors?: Vector[] }).vectors ?? [])
  .filter((vector) => vector.wire?.protocol === "imap");

const decode = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text === "=" ? "" : text, "base64"));

test("there are some", () => expect(vectors.length).toBeGreaterThanOrEqual(5));

for (const { id, wire, result } of vectors) {
  const said = (who: "C" | "S"): string[] =>
    (wire?.lines ?? []).filter((line) => line.startsWith(`${who}: `)).map((line) => line.slice(3));
  const [command = "", ...answers] = said("C");
  const [tag = "", , mechanism = "", initial] = command.split(" ");
  // One specification answers with another tag than it was asked with: its slip, not ours.
  const server = said("S").map((line) => line.replace(/^A003(?= OK)/, tag));
  const challenges = server.filter((line) => line.startsWith("+"));

  describe(id, () => {
    test("R-IMAP-02 R-IMAP-14 by the client", async () => {
      const script = new Script(server);
      const client = new SASLClient(script, { tag: () => tag, initialResponse: true });
      const outcome = (async () => {
        let reply = await client.initiate(mechanism, initial === undefined ? undefined : decode(initial));
        for (const answer of answers) {
          expect(reply.state).toBe("challenge");
          reply = await client.respond(decode(answer));
        }
        return reply.state;
      })();
      expect(await outcome.catch(() => "failure")).toBe(result.outcome);
      expect(script.sent).toEqual(said("C").map((line) => `${line}\r\n`));
    });

    test("R-IMAP-01 R-IMAP-02 by the server", async () => {
      const replies: SASLReply[] = challenges.map((line) => ({ state: "challenge", payload: decode(line.slice(2)) }));
      const heard: (Uint8Array | undefined)[] = [];
      const answer = async (payload?: Uint8Array): Promise<SASLReply> => {
        heard.push(payload);
        const reply = replies.shift();
        if (reply) return reply;
        if (result.outcome === "success") return { state: "success" };
        throw new AuthenticationFailure("refused", "no");
      };
      const session: SASLInterface = {
        initiate(name, payload) {
          expect(name).toBe(mechanism);
          return answer(payload);
        },
        respond: answer,
        abort: async () => ({ state: "failure" }),
      };
      const script = new Script(answers);
      await serve(script, session, { tag, arguments: command.split(" ").slice(2).join(" ") });
      expect(script.sent.slice(0, -1)).toEqual(challenges.map((line) => `${line}\r\n`));
      const expected = parseStatus((server.at(-1) ?? "").slice(tag.length + 1)).status;
      expect(parseStatus((script.sent.at(-1) ?? "").slice(tag.length + 1)).status).toBe(expected);
      expect(heard).toEqual([initial === undefined ? undefined : decode(initial), ...answers.map(decode)]);
    });
  });
}
