/**
 * The keys and answers of NTLMv2. LM and NTLMv1 answers are not made here. Source: MS-NLMP §3.3.2, §3.4.
 *
 * @module
 */
import { md5 } from "../../digests.js";
import { SASLFailure } from "../../errors.js";
import { concatBytes } from "../../internal/bytes.js";
import { fromHex } from "../../internal/hex.js";
import type { MechanismContext } from "../../mechanism.js";
import { type AvPairs, formatAvPairs } from "./av-pairs.js";
import { encodeUtf16, upperCase } from "./utf16.js";

type Crypto = Pick<MechanismContext, "hash" | "hmac">;

/** Octets of an NT hash. */
export const ntHashOctets = 16;

/**
 * The NT hash of a password: MD4 of its UTF-16 (MS-NLMP §3.3.1, NTOWFv1). Whoever has it can log in.
 *
 * @returns 16 octets.
 * @throws {SASLFailure} `mechanism-unsupported` without the optional package `hash-wasm`.
 */
export async function ntHash(password: string): Promise<Uint8Array> {
  const { md4 } = await loadHashes();
  return fromHex(await md4(encodeUtf16(password))) as Uint8Array;
}

async function loadHashes(): Promise<typeof import("hash-wasm")> {
  try {
    return await import("hash-wasm");
  } catch (cause) {
    throw new SASLFailure("mechanism-unsupported", "NTLM needs the package hash-wasm", { cause });
  }
}

/** NTOWFv2, the key that answers are made with: the case of the user name does not matter, that of the domain does. */
export async function responseKey(ctx: Crypto, hash: Uint8Array, user: string, domain: string): Promise<Uint8Array> {
  return ctx.hmac(md5, hash, encodeUtf16(upperCase(user) + domain));
}

/** What the NTLMv2 answer covers besides the server's challenge: `temp` of MS-NLMP §3.3.2. */
export interface ClientChallenge {
  /** 8 octets: 100 ns since 1601. */
  readonly time: Uint8Array;
  /** 8 octets. */
  readonly clientChallenge: Uint8Array;
  readonly targetInfo: AvPairs;
}

/** NTLMv2_CLIENT_CHALLENGE (MS-NLMP §2.2.2.7), with the 4 zeros that stand behind it. */
export function formatClientChallenge({ time, clientChallenge, targetInfo }: ClientChallenge): Uint8Array {
  const head = Uint8Array.of(1, 1, 0, 0, 0, 0, 0, 0); // versions, reserved
  return concatBytes(head, time, clientChallenge, new Uint8Array(4), formatAvPairs(targetInfo), new Uint8Array(4));
}

/** Octets of an NTLMv2 answer before the attributes: NTProofStr and the fixed part of what it covers (R-NTLM-06). */
export const ntAnswerOctets = 44;
/** Octets of an LMv2 answer. */
export const lmAnswerOctets = 24;

/** NTProofStr. @param covered what {@link formatClientChallenge} makes, or what came in the answer behind the proof. */
export async function ntProof(
  ctx: Crypto,
  key: Uint8Array,
  serverChallenge: Uint8Array,
  covered: Uint8Array,
): Promise<Uint8Array> {
  return ctx.hmac(md5, key, concatBytes(serverChallenge, covered));
}

/** The LMv2 answer, for servers that send no timestamp (MS-NLMP §3.3.2). @returns 24 octets. */
export async function lmv2Answer(
  ctx: Crypto,
  key: Uint8Array,
  serverChallenge: Uint8Array,
  clientChallenge: Uint8Array,
): Promise<Uint8Array> {
  const proof = await ctx.hmac(md5, key, concatBytes(serverChallenge, clientChallenge));
  return concatBytes(proof, clientChallenge);
}

/** SessionBaseKey, which without signing is the key of the integrity code, too (MS-NLMP §3.4.5.1). */
export async function sessionBaseKey(ctx: Crypto, key: Uint8Array, proof: Uint8Array): Promise<Uint8Array> {
  return ctx.hmac(md5, key, proof);
}

/** The integrity code over all three messages, the last one with zeros in its place (MS-NLMP §3.1.5.1.2). */
export async function messagesMic(
  ctx: Crypto,
  sessionKey: Uint8Array,
  ...messages: readonly Uint8Array[]
): Promise<Uint8Array> {
  return ctx.hmac(md5, sessionKey, concatBytes(...messages));
}

/** The binding NTLM uses. Windows writes its name before the data (RFC 5929 §4). */
export const bindingType = "tls-server-end-point";

/**
 * MsvAvChannelBindings: MD5 of the gss_channel_bindings_struct with this binding and no addresses (MS-NLMP §2.2.2.1;
 * RFC 2743 §1.1.6).
 */
export async function bindingHash(ctx: Crypto, data: Uint8Array): Promise<Uint8Array> {
  const application = concatBytes(new TextEncoder().encode(`${bindingType}:`), data);
  const { length } = application;
  const size = Uint8Array.of(length, length >>> 8, length >>> 16, length >>> 24);
  return ctx.hash(md5, concatBytes(new Uint8Array(16), size, application));
}

/** Milliseconds between 1601, where Windows begins to count, and 1970. */
const epochGapMs = 11_644_473_600_000;

/** A FILETIME: 8 octets. */
export function fileTime(ms: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(ms + epochGapMs) * 10_000n, true);
  return bytes;
}
