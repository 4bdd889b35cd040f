/** A security layer on a line transport: where it begins, what it takes, and how it breaks. */
import { authenticate, clientMechanism, memoryAccounts, SASLFailure, SASLServer, type SecurityLayer } from "sasl-core";
import { concatBytes } from "sasl-core/plugin";
import { layeredMechanism, testLayer } from "sasl-core/testing";
import { describe, expect, test } from "vitest";
import { BufferedTransport } from "./buffered.js";
import { LineClient } from "./client.js";
import { linePair } from "./pair.js";
import { type ServerDialect, serveExchange } from "./server.js";
import { type LineTransport, type MaybePromise, protectWire } from "./transport.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function frames(layer: SecurityLayer, ...texts: string[]): Promise<Uint8Array> {
  const made: Uint8Array[] = [];
  for (const each of texts) made.push(await layer.encode(bytes(each)));
  return concatBytes(...made);
}

/** A transport that a test feeds. */
class Source extends BufferedTransport {
  readonly channelBinding = undefined;
  readonly paused: boolean[] = [];
  readonly sent: Uint8Array[] = [];
  shuts = 0;
  get secure(): boolean {
    return this.layerSsf > 1;
  }
  feed(octets: Uint8Array): void {
    this.receive(octets.slice());
  }
  finish(): void {
    this.endInput();
  }
  protected override send(data: string | Uint8Array): void {
    this.sent.push(typeof data === "string" ? bytes(data) : data);
  }
  protected override shut(): void {
    this.shuts++;
  }
  protected override setPaused(paused: boolean): void {
    this.paused.push(paused);
  }
}

const code = async (read: () => unknown): Promise<unknown> =>
  (async () => read())().then(
    (value) => value,
    (error: SASLFailure) => error.code,
  );

describe.each([
  ["at once", false],
  ["later", true],
])("a layer that answers %s", (_, later) => {
  const near = () => testLayer(true, { later });
  const far = () => testLayer(false, { later });

  test("R-GEN-21 begins behind the last line in the clear, wherever the octets are divided", async () => {
    const wire = concatBytes(bytes("clear\r\n"), await frames(near(), "one\r\ntw", "o\r\n", "three\r\n"));
    for (let cut = 0; cut <= wire.length; cut++) {
      for (const second of [cut, Math.min(cut + 3, wire.length)]) {
        const source = new Source();
        const clear = source.readLine(100);
        source.feed(wire.subarray(0, cut));
        source.feed(wire.subarray(cut, second));
        if (cut < 7) source.feed(wire.subarray(second, 9));
        expect(await clear).toBe("clear");
        source.protect(far());
        source.feed(wire.subarray(cut < 7 ? Math.max(9, second) : second));
        expect(await source.readLine(100)).toBe("one");
        expect(await source.readLine(100)).toBe("two");
        expect(await source.readLine(100)).toBe("three");
        expect(source.buffered).toBe(0);
      }
    }
  });

  test("R-GEN-21 what is in the clear behind that line is never a line", async () => {
    for (const early of ["EVIL\r\n", "a1 NOOP\r\n", "\r\n\r\n", "\0\0\0\x05EVIL\n"]) {
      const source = new Source();
      source.feed(bytes(`clear\r\n${early}`));
      expect(await source.readLine(100)).toBe("clear");
      source.protect(far());
      source.feed(bytes("MORE OF IT\r\n"));
      expect(await code(() => source.readLine(100))).toBe("peer-not-verified");
      expect(source.shuts).toBe(1);
      expect(await code(() => source.readLine(100))).toBe("connection-lost");
    }
  });

  const spoilt: readonly [why: string, spoil: (frame: Uint8Array) => Uint8Array][] = [
    ["R-GEN-23 a changed octet", (frame) => frame.map((octet, at) => (at === frame.length - 1 ? octet ^ 1 : octet))],
    ["R-GEN-23 a changed check", (frame) => frame.map((octet, at) => (at === 6 ? octet ^ 1 : octet))],
    ["R-GEN-22 a length over the maximum", (frame) => frame.map((octet, at) => (at === 0 ? 1 : octet))],
    ["R-GEN-22 a length a little over it", () => Uint8Array.of(0, 0, 3, 238)],
    ["R-GEN-23 an empty frame", () => Uint8Array.of(0, 0, 0, 0)],
  ];
  for (const [why, spoil] of spoilt) {
    test(`${why} ends the connection, and nothing of it is a line`, async () => {
      const sender = near();
      const good = await frames(sender, "good\r\nhalf a li");
      const bad = spoil(await frames(sender, "ne\r\nbad\r\n"));
      const source = new Source();
      source.protect(far());
      source.feed(concatBytes(good, bad));
      expect(await source.readLine(100)).toBe("good");
      const pending = code(() => source.readLine(100));
      expect(await pending).toBe("peer-not-verified");
      expect([source.shuts, source.buffered]).toEqual([1, 0]);
      source.feed(await frames(near(), "good again\r\n"));
      expect(await code(() => source.readLine(100))).toBe("connection-lost");
      expect(await code(() => source.readBytes(1))).toBe("connection-lost");
      expect(await code(() => source.write("x"))).toBe("connection-lost");
    });
  }

  test("R-GEN-23 so it is while somebody waits, frame by frame", async () => {
    const source = new Source();
    source.protect(far());
    const sender = near();
    const line = code(() => source.readLine(100));
    source.feed(await frames(sender, "half a li"));
    const bad = await frames(sender, "ne\r\n");
    bad[bad.length - 1] = 0;
    source.feed(bad);
    expect(await line).toBe("peer-not-verified");
    expect(source.shuts).toBe(1);
  });

  test("literals, lines and a line that is too long come out as without it", async () => {
    const source = new Source();
    source.protect(far());
    source.feed(await frames(near(), "{5}\r\nab", "\r\nc rest\r\n", "much too ", "long\r\nshort\r\n", "a\nb\r\n"));
    expect(await source.readLine(100)).toBe("{5}");
    expect(await source.readBytes(5)).toEqual(bytes("ab\r\nc"));
    expect(await source.readLine(100)).toBe(" rest");
    expect(await code(() => source.readLine(8))).toBe("limit-exceeded");
    expect(await source.readLine(8)).toBe("short");
    expect(await code(() => source.readLine(8))).toBe("incorrect-encoding");
  });

  test("R-LIM-05 what came before the end is read, and after it connection-lost, inside a frame too", async () => {
    const whole = await frames(near(), "last\r\n", "and half\r\n");
    for (const cut of [0, 1, 4, 10]) {
      const source = new Source();
      source.protect(far());
      const first = source.readLine(100);
      source.feed(whole.subarray(0, whole.length - cut));
      source.finish();
      expect(await first).toBe("last");
      expect(await code(() => source.readLine(100))).toBe(cut === 0 ? "and half" : "connection-lost");
      expect(await code(() => source.readLine(100))).toBe("connection-lost");
    }
  });

  test("R-LIM-03 nothing is decoded that nobody reads, and a flood makes the source wait", async () => {
    const layer = far();
    let decoded = 0;
    const source = new Source();
    const decode = (octets: Uint8Array): ReturnType<typeof layer.decode> => {
      decoded++;
      return layer.decode(octets);
    };
    source.protect({ ...layer, decode });
    const sender = near();
    for (let i = 0; i < 25; i++) source.feed(await frames(sender, `${String(i).padEnd(998)}\r\n`));
    expect([decoded, source.paused]).toEqual([0, [true]]);
    for (let i = 0; i < 25; i++) {
      expect((await source.readLine(1000)).trim()).toBe(String(i));
      expect(decoded).toBe(i + 1);
    }
    const more = source.readLine(1000);
    expect(source.paused).toEqual([true, false]);
    source.feed(await frames(sender, "more\r\n"));
    expect(await more).toBe("more");
  });

  test("what is written goes through it, in order, and is sent before the connection is closed", async () => {
    const source = new Source();
    void source.write("clear\r\n");
    source.protect(near());
    const written = [source.write("one\r\n"), source.write("é\r\n"), source.write("three\r\n")];
    expect(written.every((each) => each instanceof Promise === later)).toBe(true);
    source.close();
    expect(source.shuts).toBe(later ? 0 : 1);
    await Promise.all(written);
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(source.shuts).toBe(1);
    const [clear, ...rest] = source.sent;
    expect(clear).toEqual(bytes("clear\r\n"));
    expect(rest).toEqual([
      await frames(near(), "one\r\n"),
      ...(await (async () => {
        const layer = near();
        await layer.encode(bytes("one\r\n"));
        return [await layer.encode(bytes("é\r\n")), await layer.encode(bytes("three\r\n"))];
      })()),
    ]);
    expect(await code(() => source.write("late"))).toBe("connection-lost");
  });

  test("R-GEN-24 a second layer replaces the first, from the octet behind the last line", async () => {
    const wire = concatBytes(await frames(near(), "one\r\n", "done\r\n"), await frames(near(), "two\r\n"));
    for (let cut = 0; cut <= wire.length; cut++) {
      const source = new Source();
      source.protect(far());
      source.feed(wire.subarray(0, cut));
      const lines = (async () => [await source.readLine(100), await source.readLine(100)])();
      source.feed(wire.subarray(cut));
      expect(await lines).toEqual(["one", "done"]);
      source.protect(far());
      expect(await source.readLine(100)).toBe("two");
    }
  });

  test("R-GEN-24 octets of the first layer in the place of the second's end the connection", async () => {
    const source = new Source();
    source.protect(far());
    source.feed(await frames(near(), "done\r\nEVIL\r\n"));
    expect(await source.readLine(100)).toBe("done");
    source.protect(far());
    expect(source.shuts).toBe(1);
    expect(await code(() => source.readLine(100))).toBe("connection-lost");
  });

  test("discard drops what has arrived, and the layer goes on behind it", async () => {
    const wire = await frames(near(), "one\r\n", "two\r\nrest", " three\r\n", "four\r\n");
    const source = new Source();
    source.protect(far());
    // 14, 18, 17 octets: the third frame has begun.
    source.feed(wire.subarray(0, 14 + 18 + 5));
    expect(await source.readLine(100)).toBe("one");
    source.discard();
    source.feed(wire.subarray(14 + 18 + 5));
    expect(await source.readLine(100)).toBe(" three");
    expect(await source.readLine(100)).toBe("four");
  });

  test("R-LIM-06 over a pair in single octets, both ways", async () => {
    for (const chunkBytes of [1, 5, undefined]) {
      const { client, server } = linePair({ chunkBytes });
      client.protect?.(near());
      server.protect?.(far());
      const said = Array.from({ length: 20 }, (_, i) => `line ${"x".repeat(i * 60)}`);
      for (const each of said) {
        await client.write(`${each}\r\n`);
        expect(await server.readLine(2000)).toBe(each);
        await server.write(`${each}\r\n`);
        expect(await client.readLine(2000)).toBe(each);
      }
    }
  });
});

describe("a layer that takes its time", () => {
  /** One whose calls are answered when the test says so, and that objects to a second one before that. */
  function slow(layer: SecurityLayer): { layer: SecurityLayer; answer: () => Promise<void> } {
    const waiting: (() => void)[] = [];
    const turn = <T>(work: () => MaybePromise<T>): Promise<T> => {
      if (waiting.length > 0) throw new Error("called before the last call was answered");
      return new Promise((resolve) => waiting.push(() => resolve(work())));
    };
    return {
      layer: {
        ...layer,
        encode: (octets) => turn(() => layer.encode(octets)),
        decode: (octets) => turn(() => layer.decode(octets)),
      },
      async answer() {
        for (const each of waiting.splice(0)) each();
        await new Promise((resolve) => setTimeout(resolve, 0));
      },
    };
  }

  test("is asked for one frame after the other, in the order of the writes", async () => {
    const { layer, answer } = slow(testLayer(true));
    const source = new Source();
    source.protect(layer);
    const written = ["one", "two", "three"].map((text) => source.write(text));
    for (let i = 1; i <= 3; i++) {
      await answer();
      expect(source.sent.length).toBe(i);
    }
    await Promise.all(written);
    expect(concatBytes(...source.sent)).toEqual(await frames(testLayer(true), "one", "two", "three"));
  });

  test("R-LIM-03 makes the source wait while it is at work, and go on when it needs more", async () => {
    const { layer, answer } = slow(testLayer(false));
    const source = new Source();
    source.protect(layer);
    const line = source.readLine(100_000);
    const sender = testLayer(true);
    for (let i = 0; i < 20; i++) source.feed(await frames(sender, "x".repeat(1000)));
    expect(source.paused).toEqual([true]);
    for (let i = 0; i < 20; i++) await answer();
    expect(source.paused).toEqual([true, false]);
    source.feed(await frames(sender, "\r\n"));
    await answer();
    expect((await line).length).toBe(20_000);
  });

  test("R-LIM-05 closing meanwhile settles what is pending", async () => {
    const { layer, answer } = slow(testLayer(false));
    const source = new Source();
    source.protect(layer);
    const line = code(() => source.readLine(100));
    source.feed(await frames(testLayer(true), "half"));
    source.close();
    await answer();
    expect(await line).toBe("connection-lost");
  });
});

describe("what a transport says of itself", () => {
  test("R-GEN-26 secure under a layer that encrypts, and as strong as it at least", () => {
    const facts = [undefined, 1, 56, 256].map((ssf) => {
      const { client } = linePair();
      if (ssf !== undefined) client.protect?.(testLayer(true, { ssf }));
      return [client.secure, client.externalSsf];
    });
    expect(facts).toEqual([
      [false, undefined],
      [false, 1],
      [true, 56],
      [true, 256],
    ]);
    const { client } = linePair({ secure: true });
    client.protect?.(testLayer(true, { ssf: 1 }));
    expect([client.secure, client.externalSsf]).toEqual([true, 128]);
  });

  test("misuse is an error of the programmer", () => {
    const { client } = linePair();
    void Promise.resolve(client.readLine(10)).catch(() => {});
    expect(() => client.protect?.(testLayer(true))).toThrow(TypeError);
    const bare: LineTransport = { secure: false, readLine: () => "", write: () => {} };
    expect(() => protectWire(bare, testLayer(true))).toThrow(TypeError);
    expect(() => protectWire(bare, undefined)).not.toThrow();
  });

  test("a client agrees to a layer only for callers who say that they know of it", () => {
    const dialect = { command: () => "", challenge: () => undefined, read: () => undefined };
    const { client } = linePair();
    const bare: LineTransport = { secure: false, readLine: () => "", write: () => {} };
    expect(new LineClient(client, dialect).layers).toBe(false);
    expect(new LineClient(client, dialect, 100, true).layers).toBe(true);
    expect(new LineClient(bare, dialect, 100, true).layers).toBe(false);
  });
});

describe("the server's end of an exchange", () => {
  const dialect: ServerDialect = {
    challenge: (base64) => `+ ${base64}\r\n`,
    success: (layered) => (layered ? "OK, layered\r\n" : "OK\r\n"),
    failure: (error) => `NO ${error.code}\r\n`,
  };
  const server = new SASLServer({
    mechanisms: [layeredMechanism()],
    accounts: memoryAccounts({ alice: "secret" }),
  });

  test("a session that may agree on a layer needs a transport that can carry it", async () => {
    const { server: wire } = linePair();
    const bare: LineTransport = { secure: false, readLine: () => "", write: (text) => wire.write(text) };
    const exchange = { mechanism: "X-LAYERED", initial: "AAAA", dialect, pipelining: true };
    await expect(serveExchange(bare, server.session({ secure: false, layers: true }), exchange)).rejects.toThrow(
      TypeError,
    );
    expect(wire.buffered).toBe(0);
    expect(await serveExchange(bare, server.session({ secure: false }), exchange)).toMatchObject({ ok: false });
  });

  test("R-GEN-21 what is written right behind the success goes through the layer already", async () => {
    const { client, server: wire } = linePair();
    let result: { layer: SecurityLayer } | undefined;
    const session = {
      layers: true,
      get result() {
        return result;
      },
      initiate: async () => {
        result = { layer: testLayer(false) };
        return { state: "success" } as const;
      },
      respond: async () => ({ state: "failure" }) as const,
      abort: async () => ({ state: "failure" }) as const,
    };
    const write = wire.write.bind(wire);
    // Somebody who says goodbye in the very moment in which success was said.
    let byes = 0;
    Object.assign(wire, {
      write: (text: string) => {
        const written = write(text);
        if (text.startsWith("OK") && byes++ === 0) queueMicrotask(() => void wire.write("BYE\r\n"));
        return written;
      },
    });
    await serveExchange(wire, session, { mechanism: "X", initial: undefined, dialect, pipelining: true });
    expect(await client.readLine(100)).toBe("OK, layered");
    client.protect?.(testLayer(true));
    expect(await client.readLine(100)).toBe("BYE");
  });
});

test("R-GEN-24 a second exchange with a layer replaces the first, one without leaves it in force", async () => {
  for (const [later, chunkBytes] of [
    [false, undefined],
    [true, 1],
    [false, 3],
  ] as const) {
    const strong = layeredMechanism({ later });
    const weak = layeredMechanism({ later, ssf: 56 }, "X-WEAK");
    const alice = { username: "alice", password: "secret" };
    const sasl = new SASLServer({
      mechanisms: [strong, weak],
      accounts: memoryAccounts({ alice: alice.password }),
      policy: { maxSsf: 128 },
    });
    const dialect: ServerDialect = {
      challenge: (base64) => `+ ${base64}\r\n`,
      success: (layered) => `OK ${layered}\r\n`,
      failure: (error) => `NO ${error.code}\r\n`,
    };
    const { client, server: wire } = linePair({ chunkBytes });
    const serving = (async () => {
      for (let exchange = 0; exchange < 3; exchange++) {
        const [mechanism = "", initial] = (await wire.readLine(1000)).split(" ");
        const session = sasl.session({ secure: false, layers: true });
        await serveExchange(wire, session, { mechanism, initial, dialect, pipelining: true });
      }
    })();
    const layers: unknown[] = [];
    for (const [name, maxSsf] of [
      ["X-WEAK", 128],
      ["X-LAYERED", 0],
      ["X-LAYERED", 128],
    ] as const) {
      const said: string[] = [];
      const intf = new LineClient(
        client,
        {
          command: (mechanism, initial) => `${mechanism} ${initial}\r\n`,
          challenge: (line) => (line.startsWith("+ ") ? line.slice(2) : undefined),
          read(line) {
            said.push(line);
            if (line.startsWith("OK")) return { state: "success" };
            return { state: "failure", error: new SASLFailure("aborted", line) };
          },
        },
        1000,
        true,
      );
      const mechanism = clientMechanism([name === "X-WEAK" ? weak : strong], alice);
      const { layer } = await authenticate(intf, [name], [mechanism], { policy: { maxSsf } });
      protectWire(client, layer);
      layers.push([layer?.ssf, client.externalSsf, wire.externalSsf, ...said]);
    }
    await serving;
    expect(layers).toEqual([
      [56, 56, 56, "OK true"],
      [undefined, 56, 56, "OK false"],
      [128, 128, 128, "OK true"],
    ]);
    await client.write("still here\r\n");
    expect(await wire.readLine(100)).toBe("still here");
    await wire.write("so am I\r\n");
    expect(await client.readLine(100)).toBe("so am I");
  }
});
