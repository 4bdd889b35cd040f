/**
 * What OPAQUE-3DH is made of here: ristretto255-SHA512, HKDF and HMAC with SHA-512, and the labels that keep its versions
 * apart. Sources: RFC 9807 §7, RFC 9497 §4.1. The OPRF is `@noble/curves`'.
 *
 * @module
 */
import { createOPRF, type OPRF } from "@noble/curves/abstract/oprf.js";
import { ristretto255, ristretto255_hasher, ristretto255_oprf } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";

/** One version of the protocol: the same computations with other labels. */
export interface OpaqueSuite {
  /** `RFC 9807`. */
  readonly name: string;
  readonly oprf: OPRF["oprf"];
  /** What the transcript begins with (RFC 9807 §6.4.1, Preamble). */
  readonly preamble: string;
  /** What key pairs of the key exchange are derived with (RFC 9807 §4.1, §6.4.2, DeriveDiffieHellmanKeyPair). */
  readonly keyPairInfo: string;
}

/** RFC 9807, as libopaque 1.0 and later have it. */
export const rfc9807: OpaqueSuite = {
  name: "RFC 9807",
  oprf: ristretto255_oprf.oprf,
  preamble: "OPAQUEv1-",
  keyPairInfo: "OPAQUE-DeriveDiffieHellmanKeyPair",
};

/** The draft that the plug-in of Cyrus SASL's master branch has built in: draft-irtf-cfrg-opaque-09 on draft-irtf-cfrg-voprf-10. */
export const cyrusMaster: OpaqueSuite = {
  name: "draft-irtf-cfrg-opaque-09",
  oprf: /* @__PURE__ */ oprfWithContext("VOPRF10-\0\0\x01"),
  preamble: "RFCXXXX",
  keyPairInfo: "OPAQUE-DeriveAuthKeyPair",
};

/** The OPRF of RFC 9497 with another context string than its §3.1 makes. */
function oprfWithContext(context: string): OPRF["oprf"] {
  const name = "ristretto255-SHA512";
  const usual = `OPRFV1-\0-${name}`;
  const instead = ({ DST }: { DST: string | Uint8Array }) => ({ DST: ascii(text(DST).replace(usual, context)) });
  return createOPRF({
    name,
    Point: ristretto255.Point,
    hash: sha512,
    hashToGroup: (message, options) => ristretto255_hasher.hashToCurve(message, instead(options)),
    hashToScalar: (message, options) => ristretto255_hasher.hashToScalar(message, instead(options)),
  }).oprf;
}

const ascii = (string: string): Uint8Array => Uint8Array.from(string, (c) => c.charCodeAt(0));
const text = (octets: string | Uint8Array): string =>
  typeof octets === "string" ? octets : String.fromCharCode(...octets);
