/**
 * ECDSA-NIST256P-CHALLENGE: a signature with a P-256 key over 32 octets of the server's. In use on IRC; a server keeps public
 * keys alone. Source: Atheme, modules/saslserv/ecdsa-nist256p-challenge.c; FIPS 186-5 §6.4 for the signature, SEC 1 §2.3.3 for keys.
 *
 * The challenge is the digest that is signed: nothing is hashed first. Whoever has tools that always hash may sign its SHA-256
 * instead; a server tries both. WebCrypto and `node:crypto` cannot sign a digest, so that `@noble/curves` does it.
 *
 * The name has 24 characters, 4 more than RFC 4422 §3.1 allows: our servers of IMAP and SMTP refuse it.
 *
 * The client asks for a user name and a key, or a function that signs. The server asks for the account's public key.
 *
 * @module
 */
import { p256 } from "@noble/curves/nist.js";
import { clientMechanism, type SASLMechanism } from "../client.js";
import { type CredentialNeed, type CredentialProvider, credentialNeed } from "../credentials.js";
import { sha256 } from "../digests.js";
import { decodeBase64, encodeBase64 } from "../internal/base64.js";
import { isBytes } from "../internal/bytes.js";
import {
  type ClientContext,
  type ClientConversation,
  type Mechanism,
  type ServerContext,
  type ServerConversation,
  withServer,
} from "../mechanism.js";
import type { MaybePromise } from "../runtime/contract.js";

/** What the mechanism asks the application for: one of `privateKey` and `sign`. */
export interface EcdsaCredentials {
  readonly username: string;
  /** Whom to act as. */
  readonly authzid?: string | undefined;
  /** 32 octets, a number in 1..n-1, of a key that signs nothing else. Secret. */
  readonly privateKey?: Uint8Array | undefined;
  /**
   * Signs in place of `privateKey`: a key that cannot be read.
   *
   * @param challenge 32 octets, to be signed as a digest, or as a message with SHA-256. The caller's own.
   * @returns the signature in DER (RFC 3279 §2.2.3), which is not what WebCrypto gives.
   */
  readonly sign?: ((challenge: Uint8Array) => MaybePromise<Uint8Array>) | undefined;
}

/** The property of an account that holds its public key, as Atheme writes it: base64 of the compressed point, 33 octets. */
export const ecdsaPublicKeyProperty = "ecdsaPublicKey";

/** What to store for a private key. @throws {TypeError} when it is none. */
export function ecdsaPublicKey(privateKey: Uint8Array): string {
  checkPrivateKey(privateKey);
  return encodeBase64(p256.getPublicKey(privateKey, true));
}

const challengeBytes = 32;

const need: CredentialNeed<EcdsaCredentials> = /* @__PURE__ */ credentialNeed<EcdsaCredentials>("P-256 key", [
  ["username"],
  ["privateKey", "sign"],
]);

async function* client(ctx: ClientContext): ClientConversation {
  const { username, authzid, privateKey, sign = signWith(privateKey) } = await ctx.credentials(need);
  const authcid = await ctx.prepare(username, "query", "name");
  if (authcid === "") throw ctx.fail("malformed-message", "the user name is empty");
  const challenge = yield ctx.bytes(authzid ? `${authcid}\0${authzid}` : authcid);
  if (challenge?.length !== challengeBytes) {
    throw ctx.fail("malformed-message", "the challenge has not the length of one"); // R-ECD-03: nothing else is signed
  }
  const signature = await sign(Uint8Array.from(challenge));
  if (parseSignature(signature) === undefined) throw new TypeError("sign() gave no signature in DER");
  return signature;
}

function signWith(privateKey: Uint8Array | undefined): (challenge: Uint8Array) => Uint8Array {
  const key = privateKey as Uint8Array; // one of the two is there
  checkPrivateKey(key);
  return (challenge) => p256.sign(challenge, key, { prehash: false, lowS: false, format: "der" }); // RFC 6979: needs no chance
}

function checkPrivateKey(key: Uint8Array): void {
  if (!isBytes(key) || !p256.utils.isValidSecretKey(key)) throw new TypeError("no private key of P-256");
}

async function* server(ctx: ServerContext): ServerConversation {
  const { authcid, authzid } = parseNames(ctx, yield);
  const account = await ctx.identify(authcid, authzid);
  // Accounts without a key cost as much as those with one, and no signature fits.
  const { [ecdsaPublicKeyProperty]: stored } = account.properties;
  const key = keyOf(ctx, stored === undefined ? nobodysKey : stored);
  const challenge = ctx.random(challengeBytes);
  const signature = parseSignature(yield challenge);
  if (signature === undefined) throw ctx.fail("malformed-message", "not a signature in DER"); // R-ECD-02
  const digests = [challenge, await ctx.hash(sha256, challenge)];
  const fits = digests.map((digest) => p256.verify(signature, digest, key, { prehash: false, lowS: false }));
  if (stored === undefined || !fits.includes(true)) throw ctx.fail("refused", "wrong signature");
  return { authcid: account.name, authzid };
}

/** authcid [NUL authzid], neither of them empty. */
function parseNames(ctx: ServerContext, message: Uint8Array | undefined): { authcid: string; authzid?: string } {
  const [authcid, authzid, ...more] = ctx.text(message).split("\0");
  if (!authcid || authzid === "" || more.length > 0) throw ctx.fail("malformed-message", "not one name or two");
  return authzid === undefined ? { authcid } : { authcid, authzid };
}

/** r and s in 1..n-1 as 64 octets, from the one DER form they have (FIPS 186-5 §6.4.2 step 1; X.690 §10). */
function parseSignature(signature: Uint8Array | undefined): Uint8Array | undefined {
  if (!isBytes(signature)) return undefined;
  try {
    return p256.Signature.fromBytes(signature, "der").toBytes("compact");
  } catch {
    return undefined;
  }
}

/** SEC 1 §2.3.4: a compressed point on the curve. What is stored and is none, nobody can sign for (R-STO-04). */
function keyOf(ctx: ServerContext, stored: unknown): Uint8Array {
  try {
    const key = decodeBase64(stored as string, { maxBytes: 33 });
    if (p256.utils.isValidPublicKey(key, true)) return key;
  } catch (cause) {
    throw ctx.fail("temporary", "what is stored is no base64", { cause });
  }
  throw ctx.fail("temporary", "what is stored is no public key of P-256");
}

/** The base point: its private key is 1, and known to all; that a signature fits it is never enough. */
const nobodysKey: string = /* @__PURE__ */ encodeBase64(/* @__PURE__ */ p256.Point.BASE.toBytes(true));

const clientHalf: Mechanism = {
  name: "ECDSA-NIST256P-CHALLENGE",
  flow: "client-first",
  security: ["noPlaintext", "noAnonymous", "noDictionary"],
  authzid: true,
  needs: need,
  source: "Atheme, modules/saslserv/ecdsa-nist256p-challenge.c",
  client,
};

export const ecdsaNist256pChallenge: Mechanism = /* @__PURE__ */ withServer(clientHalf, server, {
  properties: [ecdsaPublicKeyProperty],
  available: ({ [ecdsaPublicKeyProperty]: key }) => key !== undefined,
});

/** ECDSA-NIST256P-CHALLENGE for a client. */
export function ECDSA_NIST256P_CHALLENGE(credentials: CredentialProvider<EcdsaCredentials>): SASLMechanism {
  return clientMechanism([clientHalf], credentials);
}
