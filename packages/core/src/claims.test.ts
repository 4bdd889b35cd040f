import { afterEach, describe, expect, test, vi } from "vitest";
import { codeOf, connection, serverWith } from "../test/support.js";
import { Claims } from "./claims.js";
import { encodeUtf8 } from "./internal/text.js";
import { defineMechanism } from "./mechanism.js";

afterEach(() => vi.useRealTimers());

describe("claims", () => {
  test("one owner at a time, and the next one after a release", () => {
    const claims = new Claims(1000);
    const [first, second] = [{}, {}];
    expect(claims.take("tim", first)).toBe(true);
    expect(claims.take("tim", first)).toBe(true);
    expect(claims.take("tim", second)).toBe(false);
    expect(claims.take("anna", second)).toBe(true);
    claims.release("tim", second); // which does not have it
    expect(claims.take("tim", second)).toBe(false);
    claims.release("tim", first);
    expect(claims.take("tim", second)).toBe(true);
  });

  test.each([
    [1000, 1000],
    [0, 300_000],
    [86_400_000, 300_000],
  ])("R-OTP-04 with exchanges of %d ms a claim is lost after %d ms", (timeoutMs, limitMs) => {
    vi.useFakeTimers({ toFake: ["Date"], now: 5_000_000 });
    const claims = new Claims(timeoutMs);
    const [first, second, third] = [{}, {}, {}];
    claims.take("tim", first);
    vi.setSystemTime(5_000_000 + limitMs - 1);
    expect(claims.take("tim", second)).toBe(false);
    vi.setSystemTime(5_000_000 + limitMs);
    expect(claims.take("tim", second)).toBe(true);
    claims.release("tim", first); // late, and no longer its own
    expect(claims.take("tim", third)).toBe(false);
  });
});

describe("ctx.claim", () => {
  const claiming = defineMechanism({
    name: "X-CLAIM",
    flow: "client-first",
    security: ["noAnonymous"],
    source: "this test",
    async *server(ctx) {
      const account = await ctx.identify(ctx.text(yield));
      if (!ctx.claim(account)) throw ctx.fail("temporary", "another exchange has the account");
      yield encodeUtf8(`${ctx.secure}`);
      return { authcid: account.name };
    },
  });
  const tim = encodeUtf8("tim");

  test("is held from exchange to exchange of one server, and let go of however one ends", async () => {
    const server = serverWith([claiming]);
    const [first, second] = [server.session(connection), server.session(connection)];
    await first.initiate("X-CLAIM", tim);
    expect(await codeOf(second.initiate("X-CLAIM", tim))).toBe("temporary");
    await expect(second.initiate("X-CLAIM", encodeUtf8("nobody"))).resolves.toMatchObject({ state: "challenge" });
    await second.abort();
    await expect(serverWith([claiming]).session(connection).initiate("X-CLAIM", tim)).resolves.toBeDefined();
    await first.abort();
    await second.initiate("X-CLAIM", tim);
    await expect(second.respond(tim)).resolves.toMatchObject({ state: "success" });
    await expect(first.initiate("X-CLAIM", tim)).resolves.toMatchObject({ state: "challenge" });
  });

  test.each([true, false])("ctx.secure is what the connection is: %s", async (secure) => {
    const session = serverWith([claiming]).session({ ...connection, secure });
    const { payload } = await session.initiate("X-CLAIM", tim);
    expect(payload).toEqual(encodeUtf8(String(secure)));
  });
});
