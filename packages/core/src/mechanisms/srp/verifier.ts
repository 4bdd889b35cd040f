/**
 * What a server stores: salt and verifier in place of the password. Source: RFC 2945 §3; draft-burdis-cat-srp-sasl-08 §4.3.
 *
 * @module
 */
import { aes128Ofb } from "#soft-ciphers";
import type { Account, AccountProperties } from "../../accounts.js";
import { SASLFailure } from "../../errors.js";
import { isBytes } from "../../internal/bytes.js";
import { encodeUtf8 } from "../../internal/text.js";
import type { ServerContext } from "../../mechanism.js";
import { numberOf, octetsOf, raise } from "./arithmetic.js";
import { passwordNumber } from "./evidence.js";
import { groupOf, type SrpGroup } from "./groups.js";
import { hashNamed, type SrpHash } from "./hashes.js";

/** The property of an account that holds its {@link SrpVerifier}. */
export const verifierProperty = "srpVerifier";

/** What an account keeps for SRP. It is made from the name as well: a renamed account needs a new one. */
export type SrpVerifier = {
  /** `SHA-1`, `SHA-256` or `SHA-512`. */
  readonly hash: string;
  /** Length in bits of the group's prime: the `bits` of one of `srpGroups`. */
  readonly group: number;
  /** 1 to 255 octets. */
  readonly salt: Uint8Array;
  /** Less than the prime, more than 0. Secret: whoever has it can pose as the server, and guess at the password. */
  readonly verifier: Uint8Array;
};

/** A verifier as it is computed with. */
export interface Verifier {
  readonly hash: SrpHash;
  readonly group: SrpGroup;
  readonly salt: Uint8Array;
  readonly verifier: bigint;
}

/** Which verifiers a server makes. */
export interface Making {
  readonly hash: SrpHash;
  readonly group: SrpGroup;
}

/**
 * v = g ** x for a new password (RFC 2945 §3).
 *
 * @param name canonical: what the client will send. @param password prepared.
 */
export async function makeVerifier(
  { hash, group }: Making,
  name: string,
  password: string,
  salt: Uint8Array,
): Promise<SrpVerifier> {
  const { digest } = hash;
  const x = await passwordNumber(digest, salt, encodeUtf8(name), encodeUtf8(password));
  const verifier = octetsOf(raise(group, x, digest.size));
  return { hash: digest.name, group: group.bits, salt, verifier };
}

/**
 * The verifier of an account, or one that no password fits, always the same one for a name (R-SRP-08).
 *
 * @throws {SASLFailure} `temporary` for a stored one that cannot be right (R-STO-04).
 */
export async function verifierOf(ctx: ServerContext, account: Account, making: Making): Promise<Verifier> {
  // Made for everybody: who has one waits as long as who has none.
  const invented = await inventedVerifier(ctx, account, making);
  const stored = account.properties[verifierProperty];
  return stored === undefined ? invented : soundVerifier(stored);
}

async function inventedVerifier(ctx: ServerContext, account: Account, { hash, group }: Making): Promise<Verifier> {
  const salt = (await ctx.decoy(account, "SRP salt")).slice(0, 16);
  const seed = await ctx.decoy(account, "SRP verifier");
  const octets = aes128Ofb(seed.slice(0, 16), seed.slice(16, 32)).update(new Uint8Array(group.bits / 8));
  return { hash, group, salt, verifier: numberOf(octets) % group.prime };
}

function soundVerifier(stored: unknown): Verifier {
  const given = (stored ?? {}) as Partial<SrpVerifier>;
  const hash = typeof given.hash === "string" ? hashNamed(given.hash) : undefined;
  const group = typeof given.group === "number" ? groupOf(given.group) : undefined;
  const { salt } = given;
  const length = group && isBytes(given.verifier) && given.verifier.length <= group.bits / 8;
  const verifier = length ? numberOf(given.verifier as Uint8Array) : 0n;
  const sound = hash && group && isBytes(salt) && salt.length >= 1 && salt.length <= 255;
  if (!sound || verifier <= 0n || verifier >= group.prime) {
    throw new SASLFailure("temporary", "a stored SRP verifier is malformed");
  }
  return { hash, group, salt, verifier };
}

/** Whether the account has what it had then. */
export function isSameVerifier(a: AccountProperties, b: AccountProperties): boolean {
  const [left, right] = [a, b].map((each) => each[verifierProperty] as SrpVerifier | undefined);
  if (left === undefined || right === undefined) return false;
  const same = (x: Uint8Array, y: Uint8Array) => x.length === y.length && x.every((octet, i) => octet === y[i]);
  return (
    left.hash === right.hash &&
    left.group === right.group &&
    same(left.salt, right.salt) &&
    same(left.verifier, right.verifier)
  );
}
