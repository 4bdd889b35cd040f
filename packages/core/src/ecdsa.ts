/**
 * `sasl-core/ecdsa`: logging in with a P-256 key on IRC. Follows semver.
 *
 * An entry of its own because it alone needs the package `@noble/curves`, an optional peer dependency.
 *
 * @module
 */
export {
  ECDSA_NIST256P_CHALLENGE,
  type EcdsaCredentials,
  ecdsaNist256pChallenge,
  ecdsaPublicKey,
  ecdsaPublicKeyProperty,
} from "./mechanisms/ecdsa-nist256p-challenge.js";
