/**
 * Accounts and SCRAM verifiers in the notations of other programs, read and written.
 *
 * @module
 */
export type { AccountFormat, AccountFormatOptions, ParsedAccount } from "./account-format.js";
export { accountFormats } from "./account-formats.js";
export {
  type EjabberdRow,
  ejabberdFormat,
  formatEjabberdRecords,
  formatEjabberdRow,
  formatEjabberdScram,
  parseEjabberdRow,
  parseEjabberdScram,
} from "./ejabberd.js";
export { formatGsasl, parseGsasl } from "./gsasl.js";
export { formatKafka, parseKafka } from "./kafka.js";
export { formatMongooseIm, parseMongooseIm } from "./mongooseim.js";
export { checkedVerifier, FormatError, fromBase64, keySizes, parseIterations, toBase64 } from "./parts.js";
export {
  formatPasswdAccount,
  isPasswdName,
  type PasswdLine,
  parsePasswdAccount,
  passwdFileFormat,
  passwdLineOf,
} from "./passwd-file.js";
export { formatPostgresql, parsePostgresql, postgresqlFormat } from "./postgresql.js";
export { formatProperty, parseProperty } from "./property-text.js";
export {
  formatProsody,
  formatProsodyFileName,
  parseProsody,
  parseProsodyFileName,
  prosodyFormat,
} from "./prosody.js";
export { formatRfc5803, parseRfc5803 } from "./rfc5803.js";
export { rfc5803Format } from "./rfc5803-accounts.js";
