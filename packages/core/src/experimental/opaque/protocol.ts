/**
 * OPAQUE-3DH step by step, under the names of the RFC. Source: RFC 9807 §4 to §6, with ristretto255 and SHA-512 (§7).
 *
 * Every function here takes octets of the lengths it names. What comes from a peer is checked here, and an
 * {@link OpaqueError} says what is wrong with it.
 *
 * @module
 */
import { ristretto255 } from "@noble/curves/ed25519.js";
import { expand, extract } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concatBytes, equalBytes } from "../../internal/bytes.js";
import { encodeUtf8 } from "../../internal/text.js";
import type { MaybePromise } from "../../runtime/contract.js";
import type { OpaqueSuite } from "./suites.js";

const Nn = 32;
const Nh = 64;
const Npk = 32;
const Ne = Nn + Nh;
/** Octets of a registration record (§5.1): client_public_key, masking_key, envelope. */
export const recordBytes: number = Npk + Nh + Ne;
/** Octets of KE1, KE2, KE3 (§6.1). */
export const ke1Bytes = 96;
export const ke2Bytes = 320;
export const ke3Bytes = 64;

/** A hash that takes long, from 64 octets to 64 octets (§2.2, Stretch). */
export type KeyStretchingFunction = (input: Uint8Array) => MaybePromise<Uint8Array>;

/** Fresh octets. */
export type Random = (count: number) => Uint8Array;

/** Both names; one that is empty stands for the public key of its owner (§4). */
export interface Identities {
  /** At most 65535 octets, like the other. */
  readonly client: Uint8Array;
  readonly server: Uint8Array;
}

/** What the whole exchange is about (§6.4.1, §10.3). */
export interface Setting {
  readonly suite: OpaqueSuite;
  readonly context: Uint8Array;
  readonly identities: Identities;
}

export interface KeyPair {
  readonly secretKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** `malformed`: what a peer sent cannot be; `wrong`: the password, or the peer; `record`: what is stored cannot be. */
export type OpaqueReason = "malformed" | "wrong" | "record";

/** Why a step cannot be made. */
export class OpaqueError extends Error {
  readonly reason: OpaqueReason;
  constructor(reason: OpaqueReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** §6.4.2. @param seed 32 octets. */
export function deriveDiffieHellmanKeyPair({ oprf, keyPairInfo }: OpaqueSuite, seed: Uint8Array): KeyPair {
  return oprf.deriveKeyPair(seed, encodeUtf8(keyPairInfo));
}

/** @param privateKey 32 octets. */
export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  return ristretto255.Point.BASE.multiply(scalar(privateKey)).toBytes();
}

/** §5.2 CreateRegistrationResponse, §6.3.2.2 CreateCredentialResponse: the OPRF key of one account. */
export function deriveOprfKey(
  { oprf }: OpaqueSuite,
  oprfSeed: Uint8Array,
  credentialIdentifier: Uint8Array,
): Uint8Array {
  const seed = expand(sha512, oprfSeed, concatBytes(credentialIdentifier, encodeUtf8("OprfKey")), 32);
  return oprf.deriveKeyPair(seed, encodeUtf8("OPAQUE-DeriveKeyPair")).secretKey;
}

/** §6.3.2.3, and §5.2 FinalizeRegistrationRequest. */
async function randomizedPassword(oprfOutput: Uint8Array, stretch: KeyStretchingFunction): Promise<Uint8Array> {
  return extract(sha512, concatBytes(oprfOutput, await stretch(oprfOutput)));
}

/** What a client gets out of its password (§4.1.2, §4.1.3). */
interface Recovered {
  readonly maskingKey: Uint8Array;
  readonly authTag: Uint8Array;
  readonly exportKey: Uint8Array;
  readonly keys: KeyPair;
}

/** What Store and Recover have in common. */
function openEnvelope(
  { suite, identities }: Omit<Setting, "context">,
  randomized: Uint8Array,
  serverPublicKey: Uint8Array,
  nonce: Uint8Array,
): Recovered {
  const part = (label: string, length: number) =>
    expand(sha512, randomized, concatBytes(nonce, encodeUtf8(label)), length);
  const keys = deriveDiffieHellmanKeyPair(suite, part("PrivateKey", 32));
  const { client, server } = named(identities, keys.publicKey, serverPublicKey);
  const cleartextCredentials = concatBytes(serverPublicKey, prefixed(server), prefixed(client)); // §4.1.1
  const authTag = hmac(sha512, part("AuthKey", Nh), concatBytes(nonce, cleartextCredentials));
  const maskingKey = expand(sha512, randomized, encodeUtf8("MaskingKey"), Nh);
  return { maskingKey, authTag, exportKey: part("ExportKey", Nh), keys };
}

/** An account's record, and what else a client has of its registration. */
export interface Registration {
  /** {@link recordBytes} octets. */
  readonly record: Uint8Array;
  /** 64 octets only the password leads to. */
  readonly exportKey: Uint8Array;
}

/**
 * §5 in one step, where the server knows the password that is being set.
 *
 * @param password 1 to 65535 octets.
 * @param oprfKey 32 octets.
 */
export async function register(
  setting: Omit<Setting, "context">,
  password: Uint8Array,
  keys: { readonly oprfKey: Uint8Array; readonly serverPublicKey: Uint8Array },
  stretch: KeyStretchingFunction,
  random: Random,
): Promise<Registration> {
  const { oprf } = setting.suite;
  const { blind, blinded } = oprf.blind(password, (count = 32) => Uint8Array.from(random(count)));
  const output = oprf.finalize(password, blind, oprf.blindEvaluate(keys.oprfKey, blinded));
  const randomized = await randomizedPassword(output, stretch);
  const nonce = random(Nn);
  const stored = openEnvelope(setting, randomized, keys.serverPublicKey, nonce);
  const record = concatBytes(stored.keys.publicKey, stored.maskingKey, nonce, stored.authTag);
  return { record, exportKey: stored.exportKey };
}

/** The record of nobody, for a server that is not to tell who is there (§6.3.2.2, §10.9). */
export function fakeRecord(suite: OpaqueSuite, oprfSeed: Uint8Array, credentialIdentifier: Uint8Array): Uint8Array {
  const seed = expand(sha512, oprfSeed, concatBytes(credentialIdentifier, encodeUtf8("FakeRecord")), 32 + Nh);
  const { publicKey } = deriveDiffieHellmanKeyPair(suite, seed.subarray(0, 32));
  return concatBytes(publicKey, seed.subarray(32), new Uint8Array(Ne));
}

/** What a client keeps between its two messages. */
export interface ClientState {
  readonly password: Uint8Array;
  readonly blind: Uint8Array;
  readonly secret: Uint8Array;
  readonly ke1: Uint8Array;
}

/** §6.2.1. @param password 1 to 65535 octets. */
export function generateKE1(suite: OpaqueSuite, password: Uint8Array, random: Random): ClientState {
  const { blind, blinded } = suite.oprf.blind(password, (count = 32) => Uint8Array.from(random(count)));
  const nonce = random(Nn);
  const { secretKey, publicKey } = deriveDiffieHellmanKeyPair(suite, random(32));
  return { password, blind, secret: secretKey, ke1: concatBytes(blinded, nonce, publicKey) };
}

/** What a server knows about an account, and about itself. */
export interface ServerKeys {
  /** 32 octets. */
  readonly oprfKey: Uint8Array;
  /** 32 octets. */
  readonly privateKey: Uint8Array;
  /** {@link recordBytes} octets. */
  readonly record: Uint8Array;
}

/** A server's message, and what it waits for. */
export interface ServerState {
  readonly ke2: Uint8Array;
  /** {@link ke3Bytes} octets. */
  readonly expectedKe3: Uint8Array;
  readonly sessionKey: Uint8Array;
}

/**
 * §6.2.2, with §6.3.2.2 and §6.4.4.
 *
 * @param ke1 {@link ke1Bytes} octets. Untrusted.
 * @throws {OpaqueError} `malformed` for points that are none, or the identity; `record` for keys that are none.
 */
export function generateKE2(setting: Setting, keys: ServerKeys, ke1: Uint8Array, random: Random): ServerState {
  const { suite } = setting;
  const clientKeyshare = point(ke1.subarray(64, 96));
  point(ke1.subarray(0, 32));
  const evaluated = checked(() => suite.oprf.blindEvaluate(keys.oprfKey, ke1.subarray(0, 32)), "record");
  const { privateKey, record } = keys;
  const serverPublicKey = checked(() => publicKeyOf(privateKey), "record");
  const maskingNonce = random(Nn);
  const [clientPublicKey, maskingKey, envelope] = [
    record.subarray(0, 32),
    record.subarray(32, 96),
    record.subarray(96),
  ];
  const masked = xor(credentialResponsePad(maskingKey, maskingNonce), concatBytes(serverPublicKey, envelope));
  const serverNonce = random(Nn);
  const ephemeral = deriveDiffieHellmanKeyPair(suite, random(32));
  const inner = concatBytes(evaluated, maskingNonce, masked, serverNonce, ephemeral.publicKey);

  const transcript = preamble(setting, clientPublicKey, serverPublicKey, ke1, inner);
  const secret = scalar(ephemeral.secretKey);
  const ikm = concatBytes(
    clientKeyshare.multiply(secret).toBytes(),
    clientKeyshare.multiply(scalar(privateKey)).toBytes(),
    point(clientPublicKey, "record").multiply(secret).toBytes(),
  );
  const { serverMac, clientMac, sessionKey } = deriveKeys(ikm, transcript);
  return { ke2: concatBytes(inner, serverMac), expectedKe3: clientMac, sessionKey };
}

/** A client's last message, and what it knows then. */
export interface ClientResult {
  readonly ke3: Uint8Array;
  readonly sessionKey: Uint8Array;
  readonly exportKey: Uint8Array;
}

/**
 * §6.2.3, with §6.3.2.3 and §6.4.3.
 *
 * @param ke2 {@link ke2Bytes} octets. Untrusted.
 * @throws {OpaqueError} `malformed` for points that are none; `wrong` when the password does not open the envelope, or the
 *   server does not know the record.
 */
export async function generateKE3(
  setting: Setting,
  { password, blind, secret, ke1 }: ClientState,
  ke2: Uint8Array,
  stretch: KeyStretchingFunction,
): Promise<ClientResult> {
  const inner = ke2.subarray(0, ke2Bytes - Nh);
  const serverKeyshare = point(inner.subarray(224, 256));
  const output = checked(() => setting.suite.oprf.finalize(password, blind, inner.subarray(0, 32)));
  const randomized = await randomizedPassword(output, stretch);
  const maskingKey = expand(sha512, randomized, encodeUtf8("MaskingKey"), Nh);
  const clear = xor(credentialResponsePad(maskingKey, inner.subarray(32, 64)), inner.subarray(64, 192));
  const serverPublicKey = clear.subarray(0, Npk);
  const recovered = openEnvelope(setting, randomized, serverPublicKey, clear.subarray(Npk, Npk + Nn));
  if (!equalBytes(recovered.authTag, clear.subarray(Npk + Nn))) {
    throw new OpaqueError("wrong", "the password does not open the envelope"); // §4.1.3
  }

  const transcript = preamble(setting, recovered.keys.publicKey, serverPublicKey, ke1, inner);
  const ikm = concatBytes(
    serverKeyshare.multiply(scalar(secret)).toBytes(),
    point(serverPublicKey).multiply(scalar(secret)).toBytes(),
    serverKeyshare.multiply(scalar(recovered.keys.secretKey)).toBytes(),
  );
  const { serverMac, clientMac, sessionKey } = deriveKeys(ikm, transcript);
  if (!equalBytes(serverMac, ke2.subarray(ke2Bytes - Nh))) throw new OpaqueError("wrong", "the server's MAC is wrong");
  return { ke3: clientMac, sessionKey, exportKey: recovered.exportKey };
}

/** §6.3.2.2. */
function credentialResponsePad(maskingKey: Uint8Array, maskingNonce: Uint8Array): Uint8Array {
  return expand(sha512, maskingKey, concatBytes(maskingNonce, encodeUtf8("CredentialResponsePad")), Npk + Ne);
}

/** §6.4.1; `inner` is KE2 without its MAC. */
function preamble(
  { suite, context, identities }: Setting,
  clientPublicKey: Uint8Array,
  serverPublicKey: Uint8Array,
  ke1: Uint8Array,
  inner: Uint8Array,
): Uint8Array {
  const { client, server } = named(identities, clientPublicKey, serverPublicKey);
  return concatBytes(encodeUtf8(suite.preamble), prefixed(context), prefixed(client), ke1, prefixed(server), inner);
}

/** §6.4.2, and both MACs over what was said (§6.4.3, §6.4.4). */
function deriveKeys(ikm: Uint8Array, transcript: Uint8Array) {
  const prk = extract(sha512, ikm);
  const said = sha512(transcript);
  const handshakeSecret = deriveSecret(prk, "HandshakeSecret", said);
  const sessionKey = deriveSecret(prk, "SessionKey", said);
  const none = new Uint8Array(0);
  const serverMac = hmac(sha512, deriveSecret(handshakeSecret, "ServerMAC", none), said);
  const clientMac = hmac(
    sha512,
    deriveSecret(handshakeSecret, "ClientMAC", none),
    sha512(concatBytes(transcript, serverMac)),
  );
  return { serverMac, clientMac, sessionKey };
}

/** §6.4.2 Derive-Secret, by way of Expand-Label. */
function deriveSecret(secret: Uint8Array, label: string, transcriptHash: Uint8Array): Uint8Array {
  const name = encodeUtf8(`OPAQUE-${label}`);
  const info = concatBytes(
    Uint8Array.of(0, Nh, name.length),
    name,
    Uint8Array.of(transcriptHash.length),
    transcriptHash,
  );
  return expand(sha512, secret, info, Nh);
}

/** §4: a name that is not given is the public key. */
function named({ client, server }: Identities, clientPublicKey: Uint8Array, serverPublicKey: Uint8Array): Identities {
  return {
    client: client.length > 0 ? client : clientPublicKey,
    server: server.length > 0 ? server : serverPublicKey,
  };
}

/** I2OSP(len, 2) and the octets. */
function prefixed(octets: Uint8Array): Uint8Array {
  if (octets.length > 0xffff) throw new OpaqueError("malformed", "more than 65535 octets");
  return concatBytes(Uint8Array.of(octets.length >> 8, octets.length & 0xff), octets);
}

/** §2.1: an element of the group, and not the identity. */
function point(octets: Uint8Array, reason: OpaqueReason = "malformed") {
  const element = checked(() => ristretto255.Point.fromBytes(octets), reason);
  if (element.is0()) throw new OpaqueError(reason, "the identity element");
  return element;
}

/** A private key; libopaque stores 32 random octets as one, of which libsodium takes 255 bits modulo the order. */
function scalar(octets: Uint8Array): bigint {
  const { Fn } = ristretto255.Point;
  let value = 0n;
  for (const octet of Uint8Array.from(octets).reverse()) value = (value << 8n) | BigInt(octet);
  return Fn.create(value & ((1n << 255n) - 1n));
}

function xor(left: Uint8Array, right: Uint8Array): Uint8Array {
  return left.map((octet, i) => octet ^ (right[i] as number));
}

function checked<T>(work: () => T, reason: OpaqueReason = "malformed"): T {
  try {
    return work();
  } catch (cause) {
    throw new OpaqueError(reason, "not an element of the group, or no key", { cause });
  }
}
