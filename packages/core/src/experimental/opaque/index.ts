/**
 * OPAQUE: a password is proved in both directions, and the server never learns it, nor anything it could be guessed with
 * alone. Sources: RFC 9807 for the protocol; plugins/opaque.c of Cyrus SASL (master) for its messages and names, as no document
 * says how SASL carries it.
 *
 * C: KE1 authcid NUL authzid NUL    S: KE2 realm NUL    C: KE3
 *
 * The client asks for a user name and a password. The server asks for the account's record, and needs keys of its own.
 * The exchange is not bound to the channel, and no layer follows it: TLS has to see that the channel stays the same.
 *
 * @module
 */
import { argon2id } from "hash-wasm";
import { clientMechanism, type SASLMechanism } from "../../client.js";
import type { CredentialProvider } from "../../credentials.js";
import { decodeBase64, encodeBase64 } from "../../internal/base64.js";
import { concatBytes } from "../../internal/bytes.js";
import { encodeUtf8 } from "../../internal/text.js";
import {
  type ClientContext,
  type ClientConversation,
  type Mechanism,
  type MechanismContext,
  type ServerContext,
  type ServerConversation,
  withServer,
} from "../../mechanism.js";
import {
  deriveDiffieHellmanKeyPair,
  deriveOprfKey,
  fakeRecord,
  generateKE1,
  generateKE2,
  generateKE3,
  type Identities,
  type KeyStretchingFunction,
  ke1Bytes,
  ke2Bytes,
  ke3Bytes,
  OpaqueError,
  publicKeyOf,
  recordBytes,
  register,
  type ServerKeys,
} from "./protocol.js";
import { cyrusMaster, type OpaqueSuite, rfc9807 } from "./suites.js";

export { cyrusMaster, type KeyStretchingFunction, type OpaqueSuite, rfc9807 };

/** Options both sides have to have alike. */
export interface OpaqueOptions {
  /** Default {@link rfc9807}. */
  readonly suite?: OpaqueSuite | undefined;
  /** Default {@link interactive}, as libopaque has it. */
  readonly stretch?: KeyStretchingFunction | undefined;
}

/** Options of {@link opaqueServer}. */
export interface OpaqueServerOptions extends OpaqueOptions {
  /** The server's name in records and exchanges, 1 to 65535 octets: Cyrus takes the realm, and that its own name. Never changes. */
  readonly realm: string;
  /** 64 random octets, the same for all servers of the service. Secret. Copied. */
  readonly oprfSeed: Uint8Array;
  /** 32 octets: the server's own key. Secret. Copied. */
  readonly privateKey: Uint8Array;
}

/** The property of an account that holds its record: base64 of 192 octets (RFC 9807 §5.1), or of the 256 of libopaque's records. */
export const opaqueRecordProperty = "opaqueRecord";

/** Argon2id over 64 MiB in two passes: libsodium's INTERACTIVE, which libopaque uses. Takes about 0.1 s. */
export const interactive: KeyStretchingFunction = (input) =>
  argon2id({
    password: input,
    salt: new Uint8Array(16), // RFC 9807 §7: the input is random enough
    iterations: 2,
    memorySize: 65536,
    parallelism: 1,
    hashLength: 64,
    outputType: "binary",
  });

/** Keys for a new service, to be kept for ever. */
export function newOpaqueKeys(
  random: (count: number) => Uint8Array = (count) => crypto.getRandomValues(new Uint8Array(count)),
): Pick<OpaqueServerOptions, "oprfSeed" | "privateKey"> {
  return { oprfSeed: random(64), privateKey: deriveDiffieHellmanKeyPair(rfc9807, random(32)).secretKey };
}

/** OPAQUE for a client. */
export function OPAQUE(credentials: CredentialProvider, options: OpaqueOptions = {}): SASLMechanism {
  return clientMechanism([clientHalf(options)], credentials);
}

/**
 * OPAQUE for a server, and for clients.
 *
 * @throws {RangeError} for keys of other lengths, and a realm that is empty or holds a NUL.
 */
export function opaqueServer(options: OpaqueServerOptions): Mechanism {
  const { suite = rfc9807, stretch = interactive, realm } = options;
  const oprfSeed = Uint8Array.from(options.oprfSeed);
  const privateKey = Uint8Array.from(options.privateKey);
  if (oprfSeed.length !== 64) throw new RangeError("oprfSeed has not 64 octets");
  if (privateKey.length !== 32) throw new RangeError("privateKey has not 32 octets");
  if (realm === "" || realm.includes("\0") || encodeUtf8(realm).length > 0xffff) {
    throw new RangeError("the realm is not 1 to 65535 octets without NUL");
  }
  if (privateKey.every((octet) => octet === 0)) throw new RangeError("privateKey is zero");
  const serverPublicKey = publicKeyOf(privateKey);

  /** What is known about an account; nobody's looks like somebody's and is always the same (RFC 9807 §10.9). */
  function keysOf(ctx: ServerContext, name: string, stored: unknown): ServerKeys {
    const identifier = encodeUtf8(name);
    const oprfKey = deriveOprfKey(suite, oprfSeed, identifier);
    const fake = fakeRecord(suite, oprfSeed, identifier);
    if (stored === undefined) return { oprfKey, privateKey, record: fake };
    const octets = storedOctets(ctx, stored);
    if (octets.length === recordBytes) return { oprfKey, privateKey, record: octets };
    // libopaque: kU, skS and the record; the keys are the account's own.
    return { oprfKey: octets.slice(0, 32), privateKey: octets.slice(32, 64), record: octets.subarray(64) };
  }

  async function* server(ctx: ServerContext): ServerConversation {
    const { ke1, authcid, authzid } = parseRequest(ctx, yield);
    const identities = identitiesOf(authcid, realm);
    const account = await ctx.identify(authcid, authzid);
    const stored = account.properties[opaqueRecordProperty];
    const keys = keysOf(ctx, account.name, stored);
    const { ke2, expectedKe3 } = step(ctx, () =>
      generateKE2({ suite, context, identities }, keys, ke1, (count) => ctx.random(count)),
    );
    ctx.verdictFollows(); // a client whose password does not open the envelope has nothing more to say
    const ke3 = yield concatBytes(ke2, identities.server, Uint8Array.of(0));
    if (ke3?.length !== ke3Bytes) throw ctx.fail("malformed-message", "KE3 has not 64 octets");
    if (!ctx.equal(ke3, expectedKe3) || stored === undefined) throw ctx.fail("refused", "wrong MAC");
    return { authcid: account.name, authzid };
  }

  return withServer(clientHalf(options), server, {
    properties: [opaqueRecordProperty],
    available: ({ [opaqueRecordProperty]: record }) => record !== undefined,
    ownSecrets: [opaqueRecordProperty],
    async setPassword({ name, random }, password) {
      const octets = encodeUtf8(password);
      if (name === undefined || octets.length > 0xffff) return undefined; // RFC 9497 §3.3.1: no client could say more
      const identities = identitiesOf(name, realm);
      const keys = { oprfKey: deriveOprfKey(suite, oprfSeed, encodeUtf8(name)), serverPublicKey };
      const { record } = await register({ suite, identities }, octets, keys, stretch, random);
      return { [opaqueRecordProperty]: encodeBase64(record) };
    },
  });
}

/** Both halves; the server's needs keys and is made with {@link opaqueServer}. */
export const opaque: Mechanism = /* @__PURE__ */ (() =>
  withServer(
    clientHalf({}),
    // biome-ignore lint/correctness/useYield: it is never run
    async function* () {
      throw new TypeError("OPAQUE has no keys: use opaqueServer()");
    },
    { possible: () => false, properties: [opaqueRecordProperty], available: () => false },
  ))();

/** What the plug-in says the exchange is about (plugins/opaque.c, OPAQUE_CONTEXT). */
const context: Uint8Array = /* @__PURE__ */ encodeUtf8("SASL OPAQUE Mechanism");

function clientHalf({ suite = rfc9807, stretch = interactive }: OpaqueOptions): Mechanism {
  return {
    name: "OPAQUE",
    flow: "client-first",
    security: ["noPlaintext", "noAnonymous", "noDictionary", "forwardSecrecy", "mutualAuth"],
    authzid: true,
    needs: "password",
    source: "RFC 9807, Cyrus SASL plugins/opaque.c",
    client: (ctx) => client(ctx, suite, stretch),
  };
}

async function* client(ctx: ClientContext, suite: OpaqueSuite, stretch: KeyStretchingFunction): ClientConversation {
  const { username, password, authzid } = await ctx.credentials("password");
  const authcid = await ctx.prepare(username, "query", "name");
  if (authcid === "") throw ctx.fail("malformed-message", "the user name is empty");
  const prepared = ctx.bytes(await ctx.prepare(password, "query"));
  if (prepared.length === 0 || prepared.length > 0xffff) {
    throw ctx.fail("no-credentials", "the password is not 1 to 65535 octets");
  }
  const state = generateKE1(suite, prepared, (count) => ctx.random(count));
  const names = ctx.bytes(`${authcid}\0${authzid || authcid}\0`);

  const response = yield concatBytes(state.ke1, names);
  const realm = parseRealm(ctx, response);
  const ke2 = (response as Uint8Array).subarray(0, ke2Bytes);
  const identities: Identities = { client: userOf(ctx.bytes(authcid)), server: realm };
  try {
    return (await generateKE3({ suite, context, identities }, state, ke2, stretch)).ke3;
  } catch (error) {
    throw asFailure(ctx, error);
  }
}

/** What follows KE2: the server's name and a NUL. It counts for nothing unless it is the one of the registration. */
function parseRealm(ctx: ClientContext, response: Uint8Array | undefined): Uint8Array {
  const realm = response?.subarray(ke2Bytes) ?? new Uint8Array(0);
  if (realm.length < 2 || realm.length > 0xffff || realm.indexOf(0) !== realm.length - 1) {
    throw ctx.fail("malformed-message", "not KE2 and the name of a realm");
  }
  return realm.subarray(0, -1);
}

/** KE1, then two names, each of them ended by a NUL. The second is the first where nobody else is meant. */
function parseRequest(ctx: ServerContext, message: Uint8Array | undefined) {
  const [authcid, authzid, rest, ...more] = ctx.text(message?.subarray(ke1Bytes)).split("\0");
  if (!authcid || authzid === undefined || rest !== "" || more.length > 0) {
    throw ctx.fail("malformed-message", "not KE1 and two names");
  }
  const ke1 = (message as Uint8Array).slice(0, ke1Bytes);
  return { ke1, authcid, authzid: authzid === authcid ? undefined : authzid };
}

/** plugins/opaque.c, get_idu_ids: what follows the first `@` is the realm, unless nothing follows. */
function identitiesOf(authcid: string, realm: string): Identities {
  const octets = encodeUtf8(authcid);
  const user = userOf(octets);
  const own = octets.subarray(user.length + 1);
  return { client: user, server: user.length < octets.length ? own : encodeUtf8(realm) };
}

function userOf(authcid: Uint8Array): Uint8Array {
  const at = authcid.indexOf(0x40);
  return at < 0 || at === authcid.length - 1 ? authcid : authcid.subarray(0, at);
}

function storedOctets(ctx: ServerContext, stored: unknown): Uint8Array {
  try {
    const octets = decodeBase64(stored as string);
    if (octets.length === recordBytes || octets.length === recordBytes + 64) return octets;
  } catch (cause) {
    throw ctx.fail("temporary", "what is stored is no base64", { cause });
  }
  throw ctx.fail("temporary", "what is stored is no record of OPAQUE"); // R-STO-04
}

function step<T>(ctx: MechanismContext, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw asFailure(ctx, error);
  }
}

/** §6.3.2.3: with a wrong password nothing is known about the server, and the other way round. */
function asFailure(ctx: MechanismContext, error: unknown): unknown {
  if (!(error instanceof OpaqueError)) return error;
  const { reason, message } = error;
  if (reason === "record") return ctx.fail("temporary", "what is stored is no record of OPAQUE", { cause: error }); // R-STO-04
  return reason === "malformed"
    ? ctx.fail("malformed-message", message, { cause: error })
    : ctx.fail("refused", "wrong password, or not the server that knows it", { cause: error });
}
