/**
 * A mechanism for tests that brings a security layer of whatever strength both sides allow, and no security.
 *
 * @module
 */
import { createCipheriv, createHmac } from "node:crypto";
import { clientMechanism, type Mechanism, type SASLMechanism, type SecurityLayer } from "sasl-core";
import { decodeUtf8, defineMechanism, encodeUtf8, equalBytes, securityLayer } from "sasl-core/plugin";

const tagOctets = 16;

/** @param slow answers later, as Web Crypto does. */
export function testLayer(ssf: number, side: "client" | "server", slow = false): SecurityLayer {
  const maxInput = 4096;
  const counts = { sent: 0, taken: 0 };
  const other = side === "client" ? "server" : "client";
  const tag = (from: string, count: number, text: Uint8Array): Uint8Array =>
    createHmac("sha256", `${from}:${count}`).update(text).digest().subarray(0, tagOctets);
  const turn = (from: string, count: number, text: Uint8Array): Uint8Array => {
    if (ssf === 1) return text;
    return createCipheriv("aes-128-ctr", Buffer.alloc(16, from), Buffer.alloc(16, count)).update(text);
  };
  const later = <T>(value: T): T | Promise<T> =>
    slow ? new Promise((resolve) => setImmediate(resolve, value)) : value;
  return securityLayer({
    ssf,
    maxInput,
    maxOutput: maxInput - tagOctets,
    wrap(plain) {
      const count = counts.sent++;
      return later([turn(side, count, plain), tag(side, count, plain)]);
    },
    unwrap(buffer) {
      const count = counts.taken++;
      const plain = turn(other, count, buffer.subarray(0, -tagOctets));
      return later(equalBytes(tag(other, count, plain), buffer.subarray(-tagOctets)) ? plain : undefined);
    },
  });
}

/** The client says who it is and what it can do, the server what it takes. */
export function layered(slow = false): Mechanism {
  const most = 128;
  return defineMechanism({
    name: "X-LAYERED",
    flow: "client-first",
    security: ["noPlaintext", "noAnonymous", "mutualAuth"],
    maxSsf: most,
    needs: "password",
    source: "nowhere",
    async *client(ctx) {
      const { username } = await ctx.credentials("password");
      const ssf = Math.min(most, ctx.protection.maxSsf);
      const answer = yield ctx.final(encodeUtf8(`${username} ${ssf}`));
      const agreed = Number(decodeUtf8(answer as Uint8Array));
      if (agreed > 0) ctx.layer(testLayer(agreed, "client", slow));
    },
    async *server(ctx) {
      const [name = "", asked] = decodeUtf8((yield) as Uint8Array).split(" ");
      const account = await ctx.identify(name);
      const ssf = Math.min(most, ctx.protection.maxSsf, Number(asked));
      const layer = ssf > 0 ? testLayer(ssf, "server", slow) : undefined;
      return { authcid: account.name, data: encodeUtf8(String(ssf)), layer };
    },
  });
}

/** The client with its credentials. */
export function layeredLogin(slow = false): SASLMechanism {
  return clientMechanism([layered(slow)], { username: "alice", password: "open sesame" });
}
