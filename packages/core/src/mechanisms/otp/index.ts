/**
 * OTP: one-time passwords out of a pass phrase, each accepted once. Source: RFC 2444, on RFC 2289 and RFC 2243. Obsolete:
 * who overhears a login can try pass phrases on it, and the server does not prove itself.
 *
 * The client asks for a user name and a pass phrase, or for somebody who answers from a printed list. The server keeps the
 * last one-time password, from which the next one cannot be computed, in the account's property `otpSequence`.
 *
 * @module
 */
import { clientMechanism, type SASLMechanism } from "../../client.js";
import type { CredentialProvider } from "../../credentials.js";
import { type Mechanism, withServer } from "../../mechanism.js";
import { client, type OtpCredentials, otpNeed } from "./client.js";
import { sequences, server } from "./server.js";

export type { OtpCredentials, OtpRenewal } from "./client.js";
export { listOtp, type MakeOtpOptions, makeOtp, type OtpListEntry } from "./generator.js";
export type { OtpHashName } from "./hashes.js";
export type { OtpChallenge } from "./messages.js";
export type { OtpSequence } from "./sequence.js";

const clientHalf: Mechanism = {
  name: "OTP",
  flow: "client-first",
  security: ["noPlaintext", "noAnonymous", "forwardSecrecy"],
  authzid: true,
  obsolete: true,
  needs: otpNeed,
  source: "RFC 2444",
  client,
  secrets: /(?<=^\s*(?:init-)?(?:hex|word)\s*:)[\s\S]+/i, // not spent where the exchange fails
};

export const otp: Mechanism = /* @__PURE__ */ withServer(clientHalf, server, sequences);

/**
 * OTP for a client, for servers that ask for one-time passwords.
 *
 * @param credentials a program without types may leave `passphrase` and `answer` out, and is told `no-credentials`.
 */
export function OTP(credentials: CredentialProvider<OtpCredentials>): SASLMechanism {
  return clientMechanism([clientHalf], credentials);
}
