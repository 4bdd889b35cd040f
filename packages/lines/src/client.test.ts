import { isSASLError, SASLFailure, saslError } from "sasl-core";
import { describe, expect, test } from "vitest";
import { type ClientDialect, LineClient } from "./client.js";
import { Mask } from "./mask.js";
import { linePair } from "./pair.js";
import type { LineTransport, ServerTransport } from "./transport.js";

/** The smallest protocol there can be: `GO NAME [b64]`, `+ b64`, `OK`, `NO code`; lines that begin with `#` mean nothing. */
const dialect = (initialResponse = true): ClientDialect => ({
  command: (mechanism, initial) => {
    if (initial !== undefined && !initialResponse) return undefined;
    return `GO ${mechanism}${initial === undefined ? "" : ` ${initial}`}\r\n`;
  },
  challenge: (line) => (line.startsWith("+ ") ? line.slice(2) : undefined),
  unsolicited: (line) => line.startsWith("#"),
  read: (line, answered) => {
    if (line.startsWith("#")) return undefined;
    if (line === "OK") return { state: "success" };
    if (line.startsWith("NO")) {
      const code = answered ? "refused" : "mechanism-unsupported";
      return { state: "failure", error: saslError(code, "no", { opaqueError: line }) as SASLFailure };
    }
    throw new SASLFailure("malformed-message", "no such line");
  },
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function connect(initialResponse = true): { client: LineClient; peer: ServerTransport } {
  const { client, server } = linePair({ secure: true });
  return { client: new LineClient(client, dialect(initialResponse), 100), peer: server };
}

const settled = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: unknown) => (isSASLError(error) ? error.code : error),
  );

describe("an exchange", () => {
  test("R-GEN-04 R-IMAP-04 R-SMTP-07 absent, empty and other initial responses are three things", async () => {
    for (const [payload, line] of [
      [undefined, "GO X"],
      [bytes(""), "GO X ="],
      [bytes("hi"), "GO X aGk="],
    ] as const) {
      const { client, peer } = connect();
      const reply = client.initiate("X", payload);
      expect(await peer.readLine(100)).toBe(line);
      peer.write("OK\r\n");
      expect(await reply).toEqual({ state: "success" });
    }
  });

  test("R-GEN-04 empty challenges and empty answers arrive as zero octets", async () => {
    const { client, peer } = connect();
    const first = client.initiate("X");
    peer.write("# chatter\r\n+ \r\n");
    expect(await first).toEqual({ state: "challenge", payload: bytes("") });
    const second = client.respond(bytes(""));
    await peer.readLine(100);
    expect(await peer.readLine(100)).toBe("");
    peer.write("+ aGk=\r\n");
    expect(await second).toEqual({ state: "challenge", payload: bytes("hi") });
  });

  test("R-IMAP-03 without room for the initial response it follows the empty challenge", async () => {
    const { client, peer } = connect(false);
    const reply = client.initiate("X", bytes("hi"));
    expect(await peer.readLine(100)).toBe("GO X");
    peer.write("+ \r\n");
    expect(await peer.readLine(100)).toBe("aGk=");
    peer.write("NO\r\n");
    expect(await settled(reply)).toBe("refused");
  });

  test("R-PLAIN-09 a challenge that is not empty is not answered with it", async () => {
    const { client, peer } = connect(false);
    const reply = client.initiate("X", bytes("secret"));
    await peer.readLine(100);
    peer.write("+ aGk=\r\n");
    expect(await peer.readLine(100)).toBe("*");
    peer.write("NO\r\n");
    expect(await settled(reply)).toBe("unexpected-message");
  });

  test("a refusal before the client has said anything is about the mechanism, and another exchange can follow", async () => {
    const { client, peer } = connect(false);
    const reply = client.initiate("X", bytes("hi"));
    peer.write("NO\r\n");
    expect(await settled(reply)).toBe("mechanism-unsupported");
    const second = client.initiate("Y");
    peer.write("OK\r\n");
    expect(await second).toEqual({ state: "success" });
  });

  test("R-SMTP-06 R-B64-01 an undecodable challenge is answered with a cancellation", async () => {
    for (const challenge of ["a", "aGk", "aGk= ", "aG k", "=AAA", "AAA=BBB", "aGl=", "a-_=", "aGk=\t"]) {
      const { client, peer } = connect();
      const reply = client.initiate("X");
      await peer.readLine(100);
      peer.write(`+ ${challenge}\r\n`);
      expect(await peer.readLine(100)).toBe("*");
      peer.write("NO\r\n");
      expect(await settled(reply)).toBe("incorrect-encoding");
      expect(await client.abort()).toEqual({ state: "failure" });
    }
  });
});

describe("order", () => {
  test("R-GEN-14 calls out of order fail and send nothing", async () => {
    const { client, peer } = connect();
    expect(await settled(client.respond(bytes("x")))).toBe("unexpected-message");
    const first = client.initiate("X");
    expect(await settled(client.initiate("Y"))).toBe("unexpected-message");
    expect(await settled(client.respond(bytes("x")))).toBe("unexpected-message");
    peer.write("OK\r\n");
    await first;
    expect(await settled(client.respond(bytes("x")))).toBe("unexpected-message");
    expect(await peer.readLine(100)).toBe("GO X");
    expect(peer.buffered).toBe(0);
  });

  test("R-GEN-01 R-SMTP-21 what cannot be a mechanism name is never sent", async () => {
    for (const name of ["", "plain", "PLAIN\r\nQUIT", "A B", "X".repeat(21), "PLAIN\0"]) {
      const { client, peer } = connect();
      expect(await settled(client.initiate(name))).toBe("mechanism-unsupported");
      expect(peer.buffered).toBe(0);
    }
  });
});

describe("giving up", () => {
  test("R-GEN-16 at a challenge: a cancellation, and another exchange can follow", async () => {
    const { client, peer } = connect();
    const first = client.initiate("X");
    peer.write("+ \r\n");
    await first;
    const [one, two] = [client.abort(), client.abort()];
    await peer.readLine(100);
    expect(await peer.readLine(100)).toBe("*");
    peer.write("NO\r\n");
    expect([await one, await two]).toEqual([{ state: "failure" }, { state: "failure" }]);
    expect(peer.buffered).toBe(0);
    const second = client.initiate("Y");
    peer.write("OK\r\n");
    expect(await second).toEqual({ state: "success" });
  });

  test("R-GEN-16 while an answer is awaited: cancels when it comes, and the pending call fails", async () => {
    const { client, peer } = connect();
    const pending = client.initiate("X", bytes("hi"));
    const abort = client.abort();
    await peer.readLine(100);
    peer.write("+ aGk=\r\n");
    expect(await peer.readLine(100)).toBe("*");
    peer.write("NO\r\n");
    expect(await settled(pending)).toBe("aborted");
    expect(await abort).toEqual({ state: "failure" });
  });

  test("R-GEN-16 while an answer is awaited that is a refusal anyway", async () => {
    const { client, peer } = connect();
    const pending = client.initiate("X", bytes("hi"));
    const abort = client.abort();
    peer.write("NO\r\n");
    expect(await settled(pending)).toBe("refused");
    expect(await abort).toEqual({ state: "failure" });
    expect(await settled(client.respond(bytes("")))).toBe("unexpected-message");
  });

  test("R-GEN-11 success in the meantime, or in place of the failure, is none", async () => {
    const racing = connect();
    const pending = racing.client.initiate("X", bytes("hi"));
    const abort = racing.client.abort();
    racing.peer.write("OK\r\n");
    expect([await settled(pending), await settled(abort)]).toEqual(["aborted", "aborted"]);
    expect(await settled(racing.client.initiate("X"))).toBe("connection-lost");

    const lying = connect();
    const challenge = lying.client.initiate("X");
    lying.peer.write("+ \r\nOK\r\n");
    await challenge;
    expect(await settled(lying.client.abort())).toBe("unexpected-message");
    expect(await settled(lying.client.initiate("X"))).toBe("connection-lost");
  });

  test("a challenge in answer to the cancellation, decodable or not, ends it", async () => {
    for (const answer of ["+ aGk=", "+ !"]) {
      const { client, peer } = connect();
      const challenge = client.initiate("X");
      peer.write(`+ \r\n${answer}\r\n`);
      await challenge;
      expect(await settled(client.abort())).toBe("unexpected-message");
    }
  });

  test("with nothing going on: nothing is sent", async () => {
    const { client, peer } = connect();
    expect(await client.abort()).toEqual({ state: "failure" });
    expect(peer.buffered).toBe(0);
  });
});

describe("what is shown of an answer", () => {
  const secret = bytes("\0alice\0correct horse battery staple");
  const sent = btoa("\0alice\0correct horse battery staple");

  const rows: readonly [why: string, line: string, shown: string][] = [
    ["quoted whole", `NO unknown "GO X ${sent}"`, `NO unknown "GO X <${sent.length} characters>"`],
    ["cut off", `NO GO X ${sent.slice(0, 20)}...`, "NO GO X <20 characters>..."],
    ["a piece of eight", `NO ${sent.slice(9, 17)}`, "NO <8 characters>"],
    ["with more around it", `NO x/${sent.slice(4)}`, `NO <${sent.length - 2} characters>`],
    ["twice", `NO ${sent},${sent}`, `NO <${sent.length} characters>,<${sent.length} characters>`],
    ["not at all", "NO such mechanism, AUTHENTICATIONFAILED", "NO such mechanism, AUTHENTICATIONFAILED"],
  ];
  for (const [why, line, shown] of rows) {
    test(`R-GEN-30 a message that is ${why} in it is replaced by its length`, async () => {
      for (const initialResponse of [true, false]) {
        const { client, peer } = connect(initialResponse);
        const reply = client.initiate("X", secret);
        if (!initialResponse) await peer.write("+ \r\n");
        peer.write(`${line}\r\n`);
        await expect(reply).rejects.toMatchObject({ opaqueError: shown });
      }
    });
  }

  test("R-GEN-30 a short message is one too, and words that look like it stay", async () => {
    const { client, peer } = connect();
    const reply = client.initiate("X", bytes("abc"));
    peer.write('NO "YWJj" YWJjx YWJ\r\n');
    await expect(reply).rejects.toMatchObject({ opaqueError: 'NO "<4 characters>" YWJjx YWJ' });
  });

  test("challenges are left as they came, and the next exchange begins with nothing to hide", async () => {
    const { client, peer } = connect();
    const first = client.initiate("X", secret);
    peer.write(`+ ${sent}\r\n`);
    expect(await first).toEqual({ state: "challenge", payload: secret });
    const second = client.respond(bytes("another message"));
    peer.write(`NO ${btoa("another message")} ${sent}\r\n`);
    await expect(second).rejects.toMatchObject({ opaqueError: `NO <20 characters> <${sent.length} characters>` });
    const third = client.initiate("X", bytes("hi"));
    peer.write(`NO ${sent}\r\n`);
    await expect(third).rejects.toMatchObject({ opaqueError: `NO ${sent}` });
  });

  test("R-LIM-02 long messages in long lines take time in proportion", () => {
    const mask = new Mask();
    mask.add("A".repeat(100_000));
    mask.add("AB".repeat(50_000));
    const started = performance.now();
    for (const text of ["AC".repeat(500_000), "A".repeat(1_000_000), "=".repeat(1_000_000), "A=".repeat(500_000)])
      mask.apply(text);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe("what came before the command", () => {
  test("R-IMAP-13 R-IMAP-14 answers nothing: nothing is sent, and the connection is of no use", async () => {
    for (const line of ["OK", "+ ", "NO", "what"]) {
      const { client, peer } = connect();
      peer.write(`# chatter\r\n${line}\r\n`);
      expect(await settled(client.initiate("X", bytes("hi")))).toBe("unexpected-message");
      expect(peer.buffered).toBe(0);
      expect(await settled(client.initiate("X"))).toBe("connection-lost");
    }
  });

  test("R-IMAP-14 what followed the end of one exchange does not begin the next", async () => {
    const { client, peer } = connect();
    const first = client.initiate("X", bytes("hi"));
    peer.write("NO\r\n+ \r\n");
    expect(await settled(first)).toBe("refused");
    expect(await settled(client.initiate("Y"))).toBe("unexpected-message");
  });

  test("lines that may come unasked are read first, up to a limit", async () => {
    const { client, peer } = connect();
    peer.write("# one\r\n# two\r\n");
    const reply = client.initiate("X");
    expect(await peer.readLine(100)).toBe("GO X");
    peer.write("OK\r\n");
    expect(await reply).toEqual({ state: "success" });
    const other = connect();
    other.peer.write("# chatter\r\n".repeat(1500));
    expect(await settled(other.client.initiate("X"))).toBe("limit-exceeded");
  });
});

describe("a peer that misbehaves", () => {
  const endings: readonly [why: string, act: (peer: ServerTransport) => void, code: string][] = [
    ["closes", (peer) => peer.close(), "connection-lost"],
    ["sends what is no answer", (peer) => void peer.write("what\r\n"), "malformed-message"],
    ["sends a bare LF", (peer) => void peer.write("OK\n"), "incorrect-encoding"],
    ["sends too long a line", (peer) => void peer.write("x".repeat(200)), "limit-exceeded"],
    ["chatters for ever", (peer) => void peer.write("# chatter\r\n".repeat(2000)), "limit-exceeded"],
  ];
  for (const [why, act, code] of endings) {
    test(`R-LIM-05 ${why}: ${code}, and nothing works any more`, async () => {
      const { client, peer } = connect();
      const pending = client.initiate("X", bytes("hi"));
      const abort = client.abort();
      act(peer);
      expect(await settled(pending)).toBe(code);
      expect(await settled(abort)).toBe(code);
      expect(await settled(client.initiate("X"))).toBe("connection-lost");
      expect(await settled(client.abort())).toBe("connection-lost");
    });
  }

  test("a transport that throws something else is a lost connection, with the cause", async () => {
    const cause = new Error("cable");
    const wire: LineTransport = {
      secure: false,
      readLine: () => Promise.reject(cause),
      write: () => {},
    };
    await expect(new LineClient(wire, dialect()).initiate("X")).rejects.toMatchObject({
      code: "connection-lost",
      cause,
    });
  });

  test("secure is what the transport says, and nothing but true counts", () => {
    for (const [secure, expected] of [
      [true, true],
      [false, false],
      [undefined, false],
      ["yes", false],
    ] as const) {
      const wire = { secure, readLine: () => "", write: () => {} } as unknown as LineTransport;
      expect(new LineClient(wire, dialect()).secure).toBe(expected);
    }
  });
});
