import { PassThrough, Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { Collector } from "../test/support.js";
import { askPassword, secretFromStream } from "./secrets.js";

describe("secrets", () => {
  test("R-GEN-30 a password is asked for without echo", async () => {
    const input = Object.assign(new PassThrough(), { isTTY: true });
    const output = new Collector();
    const asked = askPassword("Password of alice:", input, output);
    await output.until(/Password of alice: /);
    input.write("pencil\n");
    expect(await asked).toBe("pencil");
    expect(output.text).not.toContain("pencil");
  });

  test("an empty answer is no password", async () => {
    const input = Object.assign(new PassThrough(), { isTTY: true });
    const asked = askPassword("Password:", input, new Collector());
    input.write("\n");
    await expect(asked).rejects.toMatchObject({ code: "usage", message: "no password was given" });
  });

  for (const [what, keys] of [
    ["Ctrl-D", "\u0004"],
    ["Ctrl-C", "\u0003"],
  ] as const) {
    test(`${what} is no password either`, async () => {
      const input = Object.assign(new PassThrough(), { isTTY: true });
      const asked = askPassword("Password:", input, new Collector());
      input.write(keys);
      await expect(asked).rejects.toMatchObject({ code: "usage", message: "no password was given" });
    });
  }

  test("nor is the end of the input", async () => {
    const input = Object.assign(new PassThrough(), { isTTY: true });
    const output = new Collector();
    const asked = askPassword("Password:", input, output);
    input.end();
    await expect(asked).rejects.toMatchObject({ code: "usage", message: "no password was given" });
    expect(output.text).toBe("Password: \n");
  });

  test("what is typed can be corrected, and a terminal as output shows none of it", async () => {
    const input = Object.assign(new PassThrough(), { isTTY: true });
    const output = Object.assign(new Collector(), { isTTY: true });
    const asked = askPassword("Password:", input, output);
    input.write("penx\u007fcil\r");
    expect(await asked).toBe("pencil");
    expect(output.text).toBe("Password: \n");
  });

  test("reading standard input ends when time is up", async () => {
    const reading = secretFromStream(new PassThrough(), AbortSignal.timeout(10));
    await expect(reading).rejects.toMatchObject({ code: "ABORT_ERR" });
  });

  test("standard input is read to its end, and not beyond a limit", async () => {
    expect(await secretFromStream(Readable.from([Buffer.from("pen"), Buffer.from("cil\n")]))).toBe("pencil");
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(10_000, 120);
      })(),
    );
    await expect(secretFromStream(endless)).rejects.toMatchObject({ code: "malformed-file" });
  });
});
