/**
 * Checks of a mechanism: how an exchange begins, and what is a success and what is none.
 *
 * @module
 */
import { AuthenticationFailure, isSASLError, SASLFailure } from "../errors.js";
import type { SASLReply } from "../interface.js";
import { concatBytes, equalBytes } from "../internal/bytes.js";
import type { SecurityLayer } from "../layer.js";
import type { Played, WireMessage } from "./bench.js";
import { expect } from "./checks.js";
import { both, codeOf, type Subject } from "./mechanism-subject.js";
import { chance } from "./random.js";

export async function checkSuccess({ bench, mechanism, seed }: Subject): Promise<void> {
  for (const successData of both) {
    const { outcome, session } = await bench.succeed({ seed, successData });
    expect(session.result?.mechanism === mechanism.name, "the server's result is of another mechanism");
    const bound = session.result?.channelBinding;
    expect(
      outcome?.channelBinding === bound,
      `the client is bound to ${outcome?.channelBinding}, the server to ${bound}`,
    );
    expect(
      (bound !== undefined) === Boolean(mechanism.channelBinding),
      "channelBinding says something else than the exchange",
    );
    await checkLayers(outcome?.layer, session.result?.layer, mechanism.maxSsf ?? 0);
  }
}

/** Both ends have the same layer or none, within what the mechanism says of itself, and hear each other through it. */
async function checkLayers(
  client: SecurityLayer | undefined,
  server: SecurityLayer | undefined,
  maxSsf: number,
): Promise<void> {
  expect(
    client?.ssf === server?.ssf,
    `the client has a layer of ${client?.ssf} bits, the server one of ${server?.ssf}`,
  );
  if (client === undefined || server === undefined) return;
  expect(client.ssf <= maxSsf, `the layer has ${client.ssf} bits, and maxSsf is ${maxSsf}`);
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    for (const length of [1, 1000, Math.min(from.maxOutput + 1, 200_000)]) {
      const plain = new Uint8Array(length).fill(length);
      const heard = concatBytes(...(await to.decode(await from.encode(plain))));
      expect(equalBytes(plain, heard), `${length} octets did not come through the security layer as they were`);
    }
    expect(to.whole, "a frame is left incomplete");
  }
}

export async function checkFlow({ bench, mechanism, seed }: Subject): Promise<void> {
  const { messages } = await bench.succeed({ seed });
  const initial = messages[0]?.payload !== undefined;
  if (mechanism.flow === "client-first") expect(initial, "there is no initial response, and the flow is client-first");
  if (mechanism.flow === "server-first") expect(!initial, "there is an initial response, and the flow is server-first");
}

export async function checkFirst({ bench, mechanism, seed }: Subject): Promise<void> {
  const session = bench.server({ seed }).session(bench.connection());
  if (mechanism.flow === "server-first") {
    const code = await codeOf(session.initiate(mechanism.name, new Uint8Array(0)));
    expect(code === "unexpected-message", `an empty initial response to a server-first mechanism leads to ${code}`);
  }
  if (mechanism.flow === "client-first") {
    const reply = await session.initiate(mechanism.name);
    const empty = reply.state === "challenge" && reply.payload.length === 0;
    expect(empty, "a client-first mechanism without initial response does not begin with an empty challenge");
    let first: Uint8Array | undefined;
    const held = ({ payload }: WireMessage): never => {
      first = payload; // which no server has seen yet: it may be of use only once
      throw new SASLFailure("connection-lost", "the first message is held back");
    };
    await bench.play({ seed, client: held });
    const next = await session.respond(first as unknown as Uint8Array);
    expect(next.state !== "failure", "the first message fails behind an empty challenge");
  }
}

/** Plays an exchange for each reply of a good one, with something else in its place, and hands out how it went. */
async function atEveryReply(
  { bench, seed }: Subject,
  put: (reply: SASLReply) => SASLReply,
  judge: (
    played: Played,
    step: { readonly index: number; readonly last: boolean; readonly replaced: SASLReply },
  ) => void,
): Promise<void> {
  for (const successData of both) {
    const { messages } = await bench.succeed({ seed, successData });
    const count = messages.filter(({ from }) => from === "server").length;
    for (let step = 0; step < count; step++) {
      let replaced: SASLReply | undefined;
      const server = (reply: SASLReply, index: number) => {
        if (index !== step) return reply;
        replaced = reply;
        return put(reply);
      };
      const played = await bench.play({ seed, successData, server });
      expect(replaced !== undefined, "the same exchange has another length each time");
      bench.expectTypedErrors(played);
      judge(played, { index: step, last: step === count - 1, replaced });
    }
  }
}

export async function checkEarly(subject: Subject): Promise<void> {
  const { mechanism } = subject;
  await atEveryReply(
    subject,
    () => ({ state: "success" }),
    ({ outcome, messages }, { index, last, replaced }) => {
      // What the server really said was success, and the client needs no proof that came with it.
      if (last && replaced.state === "success" && !(replaced.payload && mechanism.security.includes("mutualAuth")))
        return;
      expect(outcome === undefined, `the client believes a success in place of reply ${index}`);
      const said = messages.filter(({ from }) => from === "client").length;
      expect(said === index + 1, `the client goes on after a success in place of reply ${index}`);
    },
  );
}

export async function checkData(subject: Subject): Promise<void> {
  const payload = chance(subject.seed).bytes(16);
  await atEveryReply(
    subject,
    () => ({ state: "success", payload }),
    ({ outcome }, { index }) =>
      expect(outcome === undefined, `the client believes a success with noise as reply ${index}`),
  );
}

export async function checkFailure(subject: Subject): Promise<void> {
  const said = new AuthenticationFailure("refused", "the server said no");
  await atEveryReply(
    subject,
    () => {
      throw said;
    },
    ({ outcome, error }, { index }) => {
      expect(outcome === undefined, `the client is convinced after a failure in place of reply ${index}`);
      expect(isSASLError(error), `a failure in place of reply ${index} is no error`);
    },
  );
}
