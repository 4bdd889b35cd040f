/**
 * An account that goes from one program to another: what is needed to try it, and what comes of it.
 *
 * @module
 */
import type { Holder } from "../attempts/handover.js";
import type { Databases } from "../databases.js";
import type { Run } from "../run.js";
import type { SaslUser } from "../sasl-user.js";
import type { Tool } from "../tools.js";
import type { Attempt, Client } from "../types.js";

/** What every way needs. */
export interface HandoverFacts {
  readonly run: Run;
  /** File of the `sasl` command. */
  readonly command: string;
  readonly clients: readonly Client[];
  readonly tools: ReadonlySet<Tool>;
  readonly databases: Databases;
  /** Folder of the servers' certificates. */
  readonly tls: string;
  /** Has the accounts to export: `alice` and `bob` with keys, `dora` with a hash for PLAIN alone. */
  readonly from: SaslUser;
  /** Takes what is imported. */
  readonly into: SaslUser;
}

/** What a program took from us, and what we took from it. */
export interface Handover {
  /** Logins to that program. */
  readonly attempts: readonly Attempt[];
  /** Whose accounts were imported. */
  readonly imported: readonly Holder[];
}

/** The password of accounts that other programs make. */
export const madePassword = "pencil";
