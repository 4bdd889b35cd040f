/**
 * All formats of accounts, one row each.
 *
 * @module
 */
import type { AccountFormat } from "./account-format.js";
import { ejabberdFormat } from "./ejabberd.js";
import { passwdFileFormat } from "./passwd-file.js";
import { postgresqlFormat } from "./postgresql.js";
import { prosodyFormat } from "./prosody.js";
import { rfc5803Format } from "./rfc5803-accounts.js";

/** The formats accounts can be read and written in. */
export const accountFormats: readonly AccountFormat[] = [
  passwdFileFormat,
  rfc5803Format,
  postgresqlFormat,
  prosodyFormat,
  ejabberdFormat,
];
