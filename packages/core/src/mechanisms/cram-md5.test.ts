import { describe, expect, test } from "vitest";
import { scriptOf } from "../../test/exchanges.js";
import { codeAfter, codeOf, connection, serverWith, sessionFor } from "../../test/support.js";
import { loadVectors, type Outcome } from "../../test/vectors.js";
import type { SASLErrorCode } from "../errors.js";
import { decodeBase64 } from "../internal/base64.js";
import { decodeUtf8, encodeUtf8 } from "../internal/text.js";
import { memoryAccounts } from "../memory-accounts.js";
import { SASLStateMachine } from "../state-machine.js";
import { playToServer, scriptedServer } from "../testing.js";
import { CRAM_MD5, cramMd5 } from "./cram-md5.js";

interface CramInputs {
  readonly username: string;
  readonly password: string;
}

const vectors = [...loadVectors<CramInputs, Outcome>("cram-md5"), ...loadVectors<CramInputs, Outcome>("cram-md5-more")];

/** Arithmetic only: an exchange with an empty challenge proves nothing new, and ours refuses it (R-CRAM-02). */
const emptyChallenge = "computed-empty-challenge";

describe.each(vectors.map((vector) => ({ id: vector.id, vector })))("vector $id", ({ id, vector }) => {
  const { inputs, result } = vector;
  const script = scriptOf(vector);
  const challenge = decodeUtf8(script[0]?.bytes as Uint8Array);

  if (id === emptyChallenge) {
    test("R-CRAM-02 the client refuses it, stricter than the vector", async () => {
      const machine = new SASLStateMachine(scriptedServer(script));
      expect(await codeOf(CRAM_MD5(inputs).authenticate(machine, "CRAM-MD5"))).toBe("malformed-message");
    });
  } else if (result.outcome === "success") {
    test("R-CRAM-02 the client answers as published", async () => {
      const machine = new SASLStateMachine(scriptedServer(script));
      const outcome = await CRAM_MD5(inputs).authenticate(machine, "CRAM-MD5");
      expect(outcome).toMatchObject({ mechanism: "CRAM-MD5", authcid: inputs.username, serverVerified: false });
    });
  }

  // Our server never sends an empty challenge, so that only its arithmetic could be played; the digests above do that.
  if (id !== emptyChallenge) {
    test("R-CRAM-03 the server judges it", async () => {
      const [nonce, host] = challenge.slice(1, -1).split("@") as [string, string];
      const accounts = memoryAccounts({ [inputs.username]: inputs.password });
      const session = sessionFor(cramMd5, { accounts, host, nonce: () => nonce });
      const played = await playToServer(session, "CRAM-MD5", script);
      expect(played.state).toBe(result.outcome);
      expect(session.result?.authcid).toBe(result.outcome === "success" ? inputs.username : undefined);
    });
  }
});

const digest = "b913a602c7eda7a495b4e6e7334d3890";

describe("the server", () => {
  const hostile: readonly [why: string, response: string | Uint8Array, code: SASLErrorCode][] = [
    ["R-CRAM-03 nothing", "", "malformed-message"],
    ["R-CRAM-03 no digest", "tim", "malformed-message"],
    ["R-CRAM-03 an empty digest", "tim ", "malformed-message"],
    ["R-CRAM-03 no user name", ` ${digest}`, "malformed-message"],
    ["R-CRAM-03 upper case", `tim ${digest.toUpperCase()}`, "malformed-message"],
    ["R-CRAM-03 31 digits", `tim ${digest.slice(1)}`, "malformed-message"],
    ["R-CRAM-03 33 digits", `tim ${digest}0`, "malformed-message"],
    ["R-CRAM-03 34 digits", `tim ${digest}00`, "malformed-message"],
    ["R-CRAM-03 a digit that is none", `tim ${digest.slice(1)}g`, "malformed-message"],
    ["R-CRAM-03 a space after the digest", `tim ${digest} `, "malformed-message"],
    ["R-CRAM-03 a tab for the space", `tim\t${digest}`, "malformed-message"],
    ["R-GEN-20 a NUL in the name", `t\0im ${digest}`, "malformed-message"],
    ["R-PREP-06 no UTF-8", Uint8Array.of(0xff, 0x20, 0x30), "incorrect-encoding"],
    ["R-PREP-05 a name that preparation empties", `\u00ad ${digest}`, "malformed-message"],
    ["R-LIM-01 a name over 1024 octets", `${"a".repeat(1025)} ${digest}`, "limit-exceeded"],
    ["R-LIM-01 a digest over 64 KiB", `tim ${"0".repeat(65536)}`, "limit-exceeded"],
    ["R-GEN-31 a wrong digest", `tim ${"0".repeat(32)}`, "refused"],
    ["R-GEN-31 an unknown user", `anna ${digest}`, "refused"],
    ["R-CRAM-04 the answer to another challenge", `tim ${digest}`, "refused"],
  ];
  test.each(hostile)("%s", async (_, response, code) => {
    const session = sessionFor(cramMd5);
    await session.initiate("CRAM-MD5");
    const answer = typeof response === "string" ? encodeUtf8(response) : response;
    expect(await codeOf(session.respond(answer))).toBe(code);
    expect(session.result).toBeUndefined();
  });

  test("R-CRAM-01 no two challenges are alike, and none repeats the client", async () => {
    const server = serverWith([cramMd5], { host: "mail.example.com" });
    const seen = new Set<string>();
    for (let i = 0; i < 50; i++) {
      const reply = await server.session(connection).initiate("CRAM-MD5");
      const [, nonce] = /^<([^@<>]+)@mail\.example\.com>$/.exec(decodeUtf8(reply.payload as Uint8Array)) ?? [];
      expect(decodeBase64(nonce as string).length).toBeGreaterThanOrEqual(16); // R-GEN-29
      seen.add(nonce as string);
    }
    expect(seen.size).toBe(50);
  });

  test("R-CRAM-04 a replayed answer fails, also in the same session", async () => {
    const server = serverWith([cramMd5]);
    let answer: Uint8Array | undefined;
    const first = server.session(connection);
    const wire = {
      secure: true,
      initiate: (name: string) => first.initiate(name),
      respond: (payload: Uint8Array) => {
        answer = payload;
        return first.respond(payload);
      },
      abort: () => first.abort(),
    };
    const credentials = { username: "tim", password: "tanstaaftanstaaf" };
    await CRAM_MD5(credentials).authenticate(new SASLStateMachine(wire), "CRAM-MD5");
    const second = server.session(connection);
    for (let i = 0; i < 2; i++) {
      await second.initiate("CRAM-MD5");
      expect(await codeOf(second.respond(answer as Uint8Array))).toBe("refused");
    }
  });

  test("R-CRAM-05 R-PLAIN-06 keeps off an unprotected channel", async () => {
    const open = { ...connection, secure: false };
    expect(serverWith([cramMd5]).mechanisms(open)).toEqual([]);
    expect(await codeAfter(serverWith([cramMd5]).session(open), "CRAM-MD5", [])).toBe("channel-not-protected");
    expect(serverWith([cramMd5], { policy: { requireEncryption: false } }).mechanisms(open)).toEqual(["CRAM-MD5"]);
  });

  test("R-GEN-07 an initial response ends the exchange", async () => {
    expect(await codeAfter(sessionFor(cramMd5), "CRAM-MD5", [""])).toBe("unexpected-message");
  });
});

describe("the client", () => {
  test("R-CRAM-02 hashes any octets as they are", async () => {
    // HMAC-MD5 of 0x00 0xff 0x80 under the key "tanstaaftanstaaf", computed with OpenSSL.
    const script = [
      { from: "server", bytes: Uint8Array.of(0, 0xff, 0x80) },
      { from: "client", bytes: encodeUtf8("tim 9ce510526433a812dc8e8f594ce9a5c9") },
    ] as const;
    const machine = new SASLStateMachine(scriptedServer(script));
    const credentials = { username: "tim", password: "tanstaaftanstaaf" };
    await expect(CRAM_MD5(credentials).authenticate(machine, "CRAM-MD5")).resolves.toMatchObject({ authcid: "tim" });
  });

  test("a second challenge is an error", async () => {
    const script = [
      { from: "server", bytes: encodeUtf8("<1@x>") },
      { from: "client", bytes: undefined },
      { from: "server", bytes: encodeUtf8("<2@x>") },
    ] as const;
    const machine = new SASLStateMachine(scriptedServer(script));
    const exchange = CRAM_MD5({ username: "tim", password: "x" }).authenticate(machine, "CRAM-MD5");
    expect(await codeOf(exchange)).toBe("unexpected-message");
  });
});
