/**
 * Every mechanism: functions that put credentials to it, for clients, and the mechanism itself, for servers.
 * A bundler keeps those that are named.
 *
 * @module
 */
export { ANONYMOUS, anonymous } from "./anonymous.js";
export { CRAM_MD5, cramMd5 } from "./cram-md5.js";
export {
  DIGEST_MD5,
  type DigestCipher,
  type DigestMd5Credentials,
  DigestMd5Nonces,
  type DigestMd5Options,
  type DigestMd5Secret,
  type DigestMd5ServerOptions,
  DigestMd5Sessions,
  digestMd5,
  digestMd5Secret,
  digestMd5With,
} from "./digest-md5/index.js";
export { EXTERNAL, external } from "./external.js";
export {
  type HashedTokenInfo,
  type HashedTokenRecord,
  type HashedTokens,
  type HashedTokensOptions,
  HT,
  type HtCredentials,
  type HtHash,
  type HtOptions,
  hashedTokens,
  htSha3_512,
  htSha3_512Endp,
  htSha3_512Expr,
  htSha3_512None,
  htSha3_512Uniq,
  htSha256,
  htSha256Endp,
  htSha256Expr,
  htSha256None,
  htSha256Uniq,
  htSha384,
  htSha384Endp,
  htSha384Expr,
  htSha384None,
  htSha384Uniq,
  htSha512,
  htSha512Endp,
  htSha512Expr,
  htSha512None,
  htSha512Uniq,
  type IssuedToken,
  type TokenKeeper,
  type TokenRequestOptions,
  type TokenUse,
} from "./ht/index.js";
export { LOGIN, login } from "./login.js";
export { OAUTHBEARER, type OAuthError, oauthbearer, XOAUTH2, xoauth2 } from "./oauth.js";
export { PLAIN, plain } from "./plain.js";
export {
  hashSha1,
  hashSha3_512,
  hashSha224,
  hashSha256,
  hashSha384,
  hashSha512,
  SCRAM,
  SCRAMPLUS,
  type ScramHash,
  type ScramOptions,
  scramSha1,
  scramSha1Plus,
  scramSha3_512,
  scramSha3_512Plus,
  scramSha224,
  scramSha224Plus,
  scramSha256,
  scramSha256Plus,
  scramSha384,
  scramSha384Plus,
  scramSha512,
  scramSha512Plus,
} from "./scram/index.js";
export {
  listOtp,
  type MakeOtpOptions,
  makeOtp,
  OTP,
  type OtpChallenge,
  type OtpCredentials,
  type OtpHashName,
  type OtpListEntry,
  type OtpRenewal,
  type OtpSequence,
  otp,
} from "./otp/index.js";
