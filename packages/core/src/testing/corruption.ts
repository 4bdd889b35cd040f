/**
 * The corruption matrix: every way to spoil a message, at every step of an exchange, in both directions. The idea is that of
 * the test programs of Cyrus SASL. Requirements: R-LIM-05, R-LIM-07, R-GEN-10, R-GEN-32.
 *
 * @module
 */
import type { SASLReply } from "../interface.js";
import { concatBytes, equalBytes } from "../internal/bytes.js";
import type { Bench, Play, Played, WireMessage } from "./bench.js";
import { ComplianceFailure, expect } from "./checks.js";
import { type Chance, chance, derivedSeed } from "./random.js";

/** Ways to spoil a message. */
export const corruptions = [
  "bit-flip", //  one bit is another
  "truncate", //  some octets are missing at the end
  "extend", //    there are more
  "swap", //      two octets have changed places
  "repeat", //    all of it is there twice
  "empty", //     nothing of it is left
  "random", //    as many octets, any
  "reverse", //   the last one first
  "oversize", //  longer than anything may be
  "reflect", //   what the other side said last
  "replay", //    what this side said at this step of an earlier exchange
  "again", //     it arrives a second time, as an answer to what was said to the first
  "absent", //    it is not there at all: an initial response, data with success
  "inserted", //  it is there where there was none
] as const;

export type CorruptionKind = (typeof corruptions)[number];

/** One message that was spoilt. */
export interface Corruption extends WireMessage {
  readonly corruption: CorruptionKind;
  /** What arrived; `payload` is what was sent. */
  readonly received: Uint8Array | undefined;
}

/** What the matrix is run with. */
export interface MatrixOptions {
  readonly seed: number;
  /** How often each corruption is tried at each step. */
  readonly rounds: number;
  /**
   * Whether an exchange may go well although this message was spoilt: the mechanism does not look at that part of it.
   * Left out: never.
   */
  readonly harmless?: ((corruption: Corruption) => boolean) | undefined;
  /** What is wrong in each exchange: nobody may ever get in. */
  readonly wrong?: Play["credentials"];
}

/**
 * Runs one row of the matrix: one corruption at every step.
 *
 * @throws {ComplianceFailure} that names the step and the seed.
 */
export async function corruptEveryStep(bench: Bench, kind: CorruptionKind, options: MatrixOptions): Promise<void> {
  for (const successData of [false, true]) {
    const { wrong: credentials, seed, rounds } = options;
    // Two exchanges without a fault: one for the steps there are, and an earlier one to replay.
    const clean = await bench.play({ seed, successData, credentials });
    const earlier = await bench.play({ seed: seed ^ 1, successData, credentials });
    for (const [step, message] of clean.messages.entries()) {
      for (let round = 0; round < rounds; round++) {
        const here = derivedSeed(seed, `${kind} ${successData} ${step} ${round}`);
        try {
          await corruptOnce(bench, kind, { ...options, seed: here }, message, earlier, successData, round === 0);
        } catch (error) {
          const what = `${kind} of ${message.from} message ${message.index} (${message.kind})`;
          const why = error instanceof Error ? error.message : String(error);
          throw new ComplianceFailure(`${what}: ${why} (seed ${seed})`, { cause: error });
        }
      }
    }
  }
}

async function corruptOnce(
  bench: Bench,
  kind: CorruptionKind,
  { seed, harmless, wrong }: MatrixOptions,
  { from, index }: WireMessage,
  earlier: Played,
  successData: boolean,
  goOn: boolean,
): Promise<void> {
  const luck = chance(seed);
  let spoilt: Corruption | undefined;
  let heard: Uint8Array | undefined; // last from the other side, at either end
  const spoil = (message: WireMessage): Uint8Array | undefined => {
    const before = heard;
    heard = message.payload;
    if (message.from !== from || message.index !== index || kind === "again") return message.payload;
    const replayed = earlier.messages.find((each) => each.from === from && each.index === index)?.payload;
    const received = corrupted(kind, message, luck, { heard: before, replayed });
    if (same(received, message.payload)) return message.payload;
    spoilt = { ...message, corruption: kind, received };
    return received;
  };
  const played = await bench.play({
    seed,
    successData,
    credentials: wrong,
    client: spoil,
    server: (reply, at): SASLReply => {
      if (reply.state === "failure") return reply;
      const payload = spoil({ from: "server", index: at, kind: reply.state, payload: reply.payload });
      if (reply.state === "challenge") return { state: "challenge", payload: payload ?? reply.payload };
      return { state: "success", payload };
    },
    again: (message) => {
      if (kind !== "again" || message.from !== from || message.index !== index) return false;
      spoilt = { ...message, corruption: kind, received: message.payload };
      return true;
    },
  });

  bench.expectTypedErrors(played);
  const { session, outcome } = played;
  bench.expectIdentity(played);
  if (wrong !== undefined) {
    // What arrived may have been what somebody with the right to it would have said.
    const fine = from === "client" && spoilt !== undefined && harmless?.(spoilt) === true;
    expect(fine || (outcome === undefined && session.result === undefined), "wrong credentials succeed");
    return;
  }
  expect(
    outcome === undefined || session.result !== undefined,
    "the client is convinced by a server that has authenticated nobody",
  );
  if (spoilt === undefined) return; // there was nothing to spoil in this way
  const fine = kind !== "oversize" && kind !== "again" && harmless?.(spoilt) === true;
  if (!fine) {
    expect(outcome === undefined, "the client is convinced all the same");
    expect(from === "server" || session.result === undefined, "the server is convinced all the same");
  }
  if (goOn && session.result === undefined) await bench.succeed({ seed: seed ^ 2, successData, session });
}

/** The message as it arrives; the same as before where this corruption has nothing to spoil. */
function corrupted(
  kind: CorruptionKind,
  { payload, kind: at }: WireMessage,
  { below, bytes }: Chance,
  others: { readonly heard: Uint8Array | undefined; readonly replayed: Uint8Array | undefined },
): Uint8Array | undefined {
  const optional = at === "initial" || at === "success";
  if (kind === "inserted") return payload === undefined && optional ? bytes(1 + below(16)) : payload;
  if (payload === undefined) return undefined;
  const spoilt = Uint8Array.from(payload);
  const { length } = spoilt;
  switch (kind) {
    case "bit-flip":
      return flipped(spoilt, below(length || 1), below(8));
    case "truncate":
      return spoilt.subarray(0, length > 0 ? below(length) : 0);
    case "extend":
      return concatBytes(spoilt, bytes(1 + below(8)));
    case "swap": {
      const [a, b] = [below(length || 1), below(length || 1)];
      [spoilt[a], spoilt[b]] = [spoilt[b] ?? 0, spoilt[a] ?? 0];
      return spoilt;
    }
    case "repeat":
      return concatBytes(spoilt, spoilt);
    case "empty":
      return new Uint8Array(0);
    case "random":
      return bytes(length);
    case "reverse":
      return spoilt.reverse();
    case "oversize":
      return concatBytes(spoilt, new Uint8Array(65_537).fill(0x41));
    case "reflect":
      return others.heard ?? payload;
    case "replay":
      return others.replayed ?? payload;
    case "absent":
      return optional ? undefined : payload;
    case "again":
      return payload;
  }
}

/** With one bit turned round; what is empty stays so. */
export function flipped(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  const octet = bytes[at];
  return octet === undefined ? bytes : bytes.with(at, octet ^ (1 << bit));
}

function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}
