/**
 * SCRAM: both sides prove that they know the password, or what was derived from it, and neither sends it.
 * Sources: RFC 5802, RFC 7677; -PLUS variants are bound to the channel.
 *
 * The client asks for a user name and a password or {@link ScramKeys}. The server needs nothing but verifiers.
 *
 * @module
 */
import type { ChannelBinding } from "../../channel-binding.js";
import { clientMechanism, type SASLMechanism } from "../../client.js";
import type { CredentialProvider } from "../../credentials.js";
import { chooseBinding } from "../../internal/gs2-binding.js";
import { type Mechanism, type MechanismInfo, withServer } from "../../mechanism.js";
import { scramClient } from "./client.js";
import {
  hashSha1,
  hashSha3_512,
  hashSha224,
  hashSha256,
  hashSha384,
  hashSha512,
  nativeHashes,
  type ScramHash,
} from "./hashes.js";
import { scramServer } from "./server.js";
import { verifiers } from "./stored.js";

export { hashSha1, hashSha3_512, hashSha224, hashSha256, hashSha384, hashSha512, type ScramHash };

/** Options of {@link SCRAM} and {@link SCRAMPLUS}. */
export interface ScramOptions {
  /** Rows of the family to use. Default SHA-512, SHA-384, SHA-256 and SHA-1, which every runtime computes natively. */
  readonly hashes?: readonly ScramHash[] | undefined;
}

/** SCRAM without channel binding, for a client: the family's strongest hash that the server offers. */
export function SCRAM(credentials: CredentialProvider, options: ScramOptions = {}): SASLMechanism {
  const { hashes = nativeHashes } = options;
  return clientMechanism(hashes.map(unboundHalf), credentials);
}

/**
 * SCRAM bound to the channel, for a client.
 *
 * @param channelBinding what the connection can be bound to; left out, the binding's transport says so.
 */
export function SCRAMPLUS(
  credentials: CredentialProvider,
  channelBinding?: ChannelBinding,
  options: ScramOptions = {},
): SASLMechanism {
  const { hashes = nativeHashes } = options;
  return clientMechanism(hashes.map(boundHalf), credentials, channelBinding);
}

function info({ name, rank, source }: ScramHash, plus: boolean): MechanismInfo {
  return {
    name: plus ? `${name}-PLUS` : name,
    flow: "client-first",
    security: plus
      ? ["noPlaintext", "noAnonymous", "noActive", "mutualAuth"]
      : ["noPlaintext", "noAnonymous", "mutualAuth"],
    channelBinding: plus,
    bindable: !plus,
    rank,
    authzid: true,
    needs: "scram",
    source,
  };
}

function unboundHalf(hash: ScramHash): Mechanism {
  return { ...info(hash, false), client: (ctx) => scramClient(ctx, hash), secrets };
}

function boundHalf(hash: ScramHash): Mechanism {
  return { ...info(hash, true), client: (ctx) => scramClient(ctx, hash, chooseBinding), secrets };
}

function bothHalves(hash: ScramHash, plus: boolean): Mechanism {
  return withServer(plus ? boundHalf(hash) : unboundHalf(hash), (ctx) => scramServer(ctx, hash, plus), verifiers(hash));
}

/** Proofs and signatures: they could be guessed against. The rest is no secret. */
const secrets = /(?<=,p=|^v=)[^,]+/;

export const scramSha1: Mechanism = /* @__PURE__ */ bothHalves(hashSha1, false);
export const scramSha1Plus: Mechanism = /* @__PURE__ */ bothHalves(hashSha1, true);
export const scramSha224: Mechanism = /* @__PURE__ */ bothHalves(hashSha224, false);
export const scramSha224Plus: Mechanism = /* @__PURE__ */ bothHalves(hashSha224, true);
export const scramSha256: Mechanism = /* @__PURE__ */ bothHalves(hashSha256, false);
export const scramSha256Plus: Mechanism = /* @__PURE__ */ bothHalves(hashSha256, true);
export const scramSha384: Mechanism = /* @__PURE__ */ bothHalves(hashSha384, false);
export const scramSha384Plus: Mechanism = /* @__PURE__ */ bothHalves(hashSha384, true);
export const scramSha512: Mechanism = /* @__PURE__ */ bothHalves(hashSha512, false);
export const scramSha512Plus: Mechanism = /* @__PURE__ */ bothHalves(hashSha512, true);
export const scramSha3_512: Mechanism = /* @__PURE__ */ bothHalves(hashSha3_512, false);
export const scramSha3_512Plus: Mechanism = /* @__PURE__ */ bothHalves(hashSha3_512, true);
