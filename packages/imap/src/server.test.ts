import { SASLFailure, type SASLInterface, type SASLReply } from "sasl-core";
import { linePair } from "sasl-lines";
import { describe, expect, test } from "vitest";
import { b64 } from "../test/script.js";
import { serve } from "./server.js";

/** A session that answers in turn. */
function session(...replies: (SASLReply | Error)[]): SASLInterface {
  const next = async (): Promise<SASLReply> => {
    const reply = replies.shift() ?? new Error("the script is over");
    if (reply instanceof Error) throw reply;
    return reply;
  };
  return { initiate: next, respond: next, abort: async () => ({ state: "failure" }) };
}

async function lines(intf: SASLInterface, args: string, answers = "", options = {}): Promise<string[]> {
  const { client, server } = linePair();
  client.write(answers);
  await serve(server, intf, { tag: "t", arguments: args }, options);
  server.close();
  const out: string[] = [];
  try {
    for (;;) out.push(await client.readLine(1000));
  } catch {
    return out;
  }
}

const challenge = (text: string): SASLReply => ({ state: "challenge", payload: new TextEncoder().encode(text) });

describe("serve", () => {
  test("R-IMAP-02 challenges are '+ ' and base64, and the end is the tagged response", async () => {
    const intf = session(challenge(""), challenge("hi"), { state: "success" });
    expect(await lines(intf, "X", "aGk=\r\n\r\n")).toEqual(["+ ", "+ aGk=", "t OK Authenticated"]);
  });

  test("R-IMAP-11 capabilities go with the OK where there are some", async () => {
    const options = { capabilities: () => ["IMAP4rev1", "IDLE"] };
    expect(await lines(session({ state: "success" }), "X =", "", options)).toEqual([
      "t OK [CAPABILITY IMAP4rev1 IDLE] Authenticated",
    ]);
  });

  test("R-GEN-09 data with success goes as a challenge", async () => {
    const intf = session({ state: "success", payload: new TextEncoder().encode("v=x") });
    expect(await lines(intf, "X", "\r\n")).toEqual([`+ ${b64("v=x")}`, "t OK Authenticated"]);
  });

  test("R-GEN-17 a failure carries no mechanism data", async () => {
    const intf = session(new SASLFailure("malformed-message", "message", { detail: "detail", text: "text" }));
    const [line] = await lines(intf, "X");
    expect(line).toMatch(/^t BAD /);
    expect(line).not.toMatch(/message:|detail|text/);
  });

  test("R-IMAP-17 a tag that cannot be one is the program's mistake", async () => {
    const { server } = linePair();
    for (const tag of ["", "a b", "*\r\n"]) {
      await expect(serve(server, session(), { tag, arguments: "X" })).rejects.toThrow(TypeError);
    }
  });
});
