/**
 * The adapters, each with the library it is for, against real servers or real clients.
 *
 * @module
 */
import type { Run } from "../run.js";
import type { Server } from "../servers.js";
import type { Attempt, Client } from "../types.js";
import { nodemailerAttempts } from "./nodemailer.js";
import { smtpServerAttempts } from "./smtp-server.js";
import { xmppJsAttempts } from "./xmpp-js.js";

/** What an adapter's attempts have at hand. */
export interface AdapterSide {
  readonly run: Run;
  readonly servers: readonly Server[];
  /** Other people's clients. */
  readonly clients: readonly Client[];
}

/** One line for each adapter. */
const adapters: readonly ((side: AdapterSide) => Attempt[] | Promise<Attempt[]>)[] = [
  nodemailerAttempts,
  smtpServerAttempts,
  xmppJsAttempts,
];

/** Run all of them. */
export async function adaptersSide(run: Run, servers: readonly Server[], clients: readonly Client[]): Promise<void> {
  for (const adapter of adapters) await run.attempts(await adapter({ run, servers, clients }));
}
