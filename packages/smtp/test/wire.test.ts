/** The exchanges that specifications print as SMTP lines, replayed line for line at both ends. */
import { readdirSync, readFileSync } from "node:fs";
import { AuthenticationFailure, type SASLInterface, type SASLReply } from "sasl-core";
import { describe, expect, test } from "vitest";
import { parseReply, SASLClient, serve } from "../src/index.js";
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
  .filter((vector) => vector.wire?.protocol === "smtp");

const decode = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text === "=" ? "" : text, "base64"));

test("there are some", () => expect(vectors.length).toBeGreaterThanOrEqual(4));

for (const { id, wire, result } of vectors) {
  const said = (who: "C" | "S"): string[] =>
    (wire?.lines ?? []).filter((line) => line.startsWith(`${who}: `)).map((line) => line.slice(3));
  // One specification puts a tag in front of AUTH, as IMAP has it: its slip, not ours.
  const [command = "", ...answers] = said("C").map((line) => line.replace(/^t1 (?=AUTH )/, ""));
  const [, mechanism = "", initial] = command.split(" ");
  const server = said("S");
  const challenges = server.filter((line) => line.startsWith("334"));

  describe(id, () => {
    test("R-SMTP-04 R-SMTP-07 by the client", async () => {
      const script = new Script(server);
      const client = new SASLClient(script);
      const outcome = (async () => {
        let reply = await client.initiate(mechanism, initial === undefined ? undefined : decode(initial));
        for (const answer of answers) {
          expect(reply.state).toBe("challenge");
          reply = await client.respond(decode(answer));
        }
        return reply.state;
      })();
      expect(await outcome.catch(() => "failure")).toBe(result.outcome);
      // R-SMTP-09: a line over 512 octets is printed all the same in one specification.
      const whole = `${command}\r\n`;
      const sent = whole.length > 512 ? [`AUTH ${mechanism}\r\n`, `${initial}\r\n`] : [whole];
      expect(script.sent).toEqual([...sent, ...answers.map((line) => `${line}\r\n`)]);
    });

    test("R-SMTP-04 R-SMTP-11 by the server", async () => {
      const replies: SASLReply[] = challenges.map((line) => ({ state: "challenge", payload: decode(line.slice(4)) }));
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
      await serve(script, session, command.slice("AUTH ".length));
      expect(script.sent.slice(0, -1)).toEqual(challenges.map((line) => `${line}\r\n`));
      const expected = parseReply(server.slice(challenges.length).join("\r\n"))?.code;
      expect(parseReply(script.sent.at(-1) ?? "")?.code).toBe(expected);
      expect(heard).toEqual([initial === undefined ? undefined : decode(initial), ...answers.map(decode)]);
    });
  });
}
