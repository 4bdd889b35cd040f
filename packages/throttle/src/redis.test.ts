/** Against a real Redis, where `SASL_TEST_REDIS` says that there is one (tests/peers/src/stores/redis.ts starts one). */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Relay } from "../test/relay.js";
import { guess, login, Peer } from "../test/support.js";
import { throttle } from "./throttle.js";

const url = process.env.SASL_TEST_REDIS;

/** Few failures, no waits: what is counted shows in who is refused. */
const options = { firstMs: 0, maxMs: 0, maxFailures: 2, windowMs: 60_000, firstParallel: 100 };

if (url === undefined)
  test("there is nothing to test against without SASL_TEST_REDIS", () => expect(url).toBeUndefined());
else suite(url);

function suite(url: string): void {
  describe("two machines with one Redis", () => {
    const clients: Redis[] = [];
    let relay: Relay;
    let redisPrefix: string;

    const clientOf = (to: string): Redis => {
      const client = new Redis(to, { retryStrategy: () => 20 });
      client.on("error", () => {});
      clients.push(client);
      return client;
    };
    const ready = async (client: Redis): Promise<Redis> => {
      if (client.status !== "ready") await once(client, "ready");
      return client;
    };
    /** One straight, one through the relay. */
    const machines = async () => {
      const [near, far] = [await ready(clientOf(url)), await ready(clientOf(relay.url))] as const;
      return { near, far, rules: [near, far].map((redis) => throttle({ ...options, redis, redisPrefix })) as Rules };
    };
    type Rules = [near: ReturnType<typeof throttle>, far: ReturnType<typeof throttle>];

    beforeEach(async () => {
      redisPrefix = `test:${randomUUID()}:`;
      relay = new Relay(url);
      await relay.open();
    });
    afterEach(async () => {
      for (const client of clients.splice(0)) client.disconnect();
      await relay.cut();
    });
    const refused = { code: "limit-exceeded" };

    test("R-LIM-08 share what they count, and what they take back", async () => {
      const { rules, near } = await machines();
      const [one, other] = rules;
      await guess(one, "192.0.2.1", "tim");
      await guess(other, "192.0.2.1", "tim");
      await expect(new Peer(one, "192.0.2.1").begin()).rejects.toMatchObject(refused);
      await expect(new Peer(other, "192.0.2.1").begin()).rejects.toMatchObject(refused);
      await new Peer(one, "192.0.2.1").end(undefined, "tim"); // of an attempt that had begun before
      await login(one, "192.0.2.1", "tim");
      await login(other, "192.0.2.1", "tim");
      const keys = await near.keys(`${redisPrefix}*`);
      for (const key of keys) expect(await near.pttl(key)).toBeGreaterThan(0); // none stays for ever
      expect(keys).toHaveLength(2); // network and account; the pair is gone
    });

    test("R-LIM-08 whose connection breaks goes on alone, and is back when it is", async () => {
      const { rules, far } = await machines();
      const [one, other] = rules;
      await guess(one, "192.0.2.1", "tim");
      await relay.cut();
      while (far.status === "ready") await once(far, "close");
      await login(other, "192.0.2.1", "anna"); // authentication goes on
      await guess(other, "192.0.2.1", "tim");
      await guess(other, "192.0.2.1", "tim");
      await expect(new Peer(other, "192.0.2.1").begin()).rejects.toMatchObject(refused); // by its own count
      await new Peer(one, "192.0.2.1").begin(); // who knows of one
      await relay.open();
      await ready(far);
      await expect(new Peer(other, "192.0.2.1").begin()).rejects.toMatchObject(refused); // it still knows
      await guess(other, "192.0.2.2", "tim");
      await guess(one, "192.0.2.2", "tim");
      await expect(new Peer(other, "192.0.2.2").begin()).rejects.toMatchObject(refused);
    });

    const refusals: readonly [why: string, begin: string, end: string][] = [
      ["is the replica of another", "replicaof 127.0.0.1 1", "replicaof no one"],
      ["wants replicas it has not", "config set min-replicas-to-write 1", "config set min-replicas-to-write 0"],
      ["has no memory left", "config set maxmemory 1", "config set maxmemory 0"],
    ];
    test.each(refusals)("R-LIM-08 a Redis that answers and takes nothing in, since it %s", async (_, begin, end) => {
      const { rules, near } = await machines();
      const [rule] = rules;
      const say = ([command = "", ...rest]: readonly string[]) => near.call(command, ...rest);
      await guess(rule, "192.0.2.1", "tim");
      await say(begin.split(" "));
      try {
        await expect(near.set(`${redisPrefix}x`, "y")).rejects.toThrow(/^(?:READONLY|NOREPLICAS|OOM) /);
        await guess(rule, "192.0.2.1", "tim");
        await guess(rule, "192.0.2.1", "tim");
        await expect(new Peer(rule, "192.0.2.1").begin()).rejects.toMatchObject(refused);
      } finally {
        await say(end.split(" "));
      }
      await expect(new Peer(rule, "192.0.2.1").begin()).rejects.toMatchObject(refused);
      await guess(rule, "192.0.2.2", "tim");
      expect(await near.keys(`${redisPrefix}*`)).toHaveLength(5); // both networks, both pairs, tim
    });

    test("R-LIM-08 whose connection hangs goes on alone", async () => {
      const { far } = await machines();
      const rule = throttle({ ...options, redis: far, redisPrefix, redisTimeoutMs: 50 });
      relay.block();
      await guess(rule, "192.0.2.1", "tim");
      await guess(rule, "192.0.2.1", "tim");
      await expect(new Peer(rule, "192.0.2.1").begin()).rejects.toMatchObject(refused);
      await login(rule, "198.51.100.1", "tim");
    });

    test("R-STO-01 hostile names are keys like others", async () => {
      const { rules, near } = await machines();
      const [one] = rules;
      const names = ["a\r\nFLUSHALL\r\n", "*", "a:b", "{x}", "\0", "\ud800", "é".repeat(1000), ""];
      for (const name of names) await guess(one, undefined, name);
      const keys = await near.keys(`${redisPrefix}*`);
      expect(keys).toHaveLength(names.length);
      for (const key of keys) expect(key.slice(redisPrefix.length)).toMatch(/^account:[\w-]{43}$/);
    });
  });
}
