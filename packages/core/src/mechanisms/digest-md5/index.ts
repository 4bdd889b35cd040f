/**
 * DIGEST-MD5: proof of a password by digests of nonces from both sides, of which the server sends one too; a security layer
 * can follow. Source: RFC 2831. Historic (RFC 6331): open to guessing, and MD5, DES and RC4 are broken.
 *
 * The client asks for a user name, a password and perhaps a realm and an authzid. The server asks for the account's
 * password, or its hash for the realm.
 *
 * @module
 */
import { clientMechanism, type SASLMechanism } from "../../client.js";
import type { CredentialProvider } from "../../credentials.js";
import { type Mechanism, withServer } from "../../mechanism.js";
import { type DigestMd5Credentials, type DigestMd5Options, digestClient, digestMd5Need } from "./client.js";
import { type DigestCipher, greatestSsf } from "./protection.js";
import { type DigestMd5ServerOptions, digestServer } from "./server.js";
import { digestSecrets } from "./stored.js";

export type { DigestMd5Credentials, DigestMd5Options } from "./client.js";
export { DigestMd5Nonces } from "./nonces.js";
export type { DigestCipher } from "./protection.js";
export type { DigestMd5ServerOptions } from "./server.js";
export { DigestMd5Sessions } from "./sessions.js";
export { type DigestMd5Secret, digestMd5Secret } from "./stored.js";

function clientHalf(options: DigestMd5Options = {}): Mechanism {
  return {
    name: "DIGEST-MD5",
    flow: "either", // RFC 2831 §2.2: the client begins where it has been before
    security: ["noPlaintext", "noAnonymous", "mutualAuth"],
    obsolete: true, // R-DIG-18
    authzid: true,
    needsHost: true,
    needs: digestMd5Need,
    maxSsf: greatestSsf(options.ciphers ?? []),
    source: "RFC 2831",
    client: (ctx) => digestClient(ctx, options),
    // The digits are looked for first: to look back from every blank of a long row would take seconds (R-LIM-05).
    secrets: /(?=[0-9a-f]{32})(?<=\b(?:response|rspauth)\s*=\s*"?)[0-9a-f]{32}/gi,
  };
}

/**
 * DIGEST-MD5 for a client, for servers that have nothing better.
 *
 * @throws {RangeError} for two ciphers of one name.
 */
export function DIGEST_MD5(
  credentials: CredentialProvider<DigestMd5Credentials>,
  options: DigestMd5Options = {},
): SASLMechanism {
  checkCiphers(options.ciphers);
  return clientMechanism([clientHalf(options)], credentials);
}

/** DIGEST-MD5 for a server: one realm, named as the server is, integrity at most. Its accounts keep the password itself. */
export const digestMd5: Mechanism = /* @__PURE__ */ withServer(
  /* @__PURE__ */ clientHalf(),
  (ctx) => digestServer(ctx, {}),
  /* @__PURE__ */ digestSecrets(undefined),
);

/**
 * DIGEST-MD5 for a server, with options. With `realms` its accounts keep no password, but a secret for each realm, in
 * property `digestMd5Secrets`. The name is part of it: clients then have to write it as it is canonical, letter by letter.
 *
 * @throws {RangeError} for two ciphers of one name.
 */
export function digestMd5With(options: DigestMd5ServerOptions): Mechanism {
  const { ciphers } = options;
  checkCiphers(ciphers);
  return withServer(clientHalf({ ciphers }), (ctx) => digestServer(ctx, options), digestSecrets(options.realms));
}

function checkCiphers(ciphers: readonly DigestCipher[] = []): void {
  if (new Set(ciphers.map(({ name }) => name)).size < ciphers.length) throw new RangeError("a cipher is named twice");
}
