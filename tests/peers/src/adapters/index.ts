/**
 * Adapters for the libraries that people use: each logs in with its library, to real servers and to `sasl serve`.
 *
 * @module
 */
import type { Run } from "../run.js";
import type { Server } from "../servers.js";
import type { Client } from "../types.js";
import { imapflow } from "./imapflow.js";
import { ldapts } from "./ldapts.js";
import { nodemailer } from "./nodemailer.js";
import { smtpServer } from "./smtp-server.js";
import { xmppJs } from "./xmpp-js.js";
import { xmppWeb } from "./xmpp-web.js";

/**
 * @param command file of the `sasl` command
 * @param clients other people's, those there are
 */
export type AdapterAttempts = (
  run: Run,
  command: string,
  servers: readonly Server[],
  clients: readonly Client[],
) => Promise<void>;

/** One for each package. */
export const adapters: readonly AdapterAttempts[] = [imapflow, ldapts, nodemailer, smtpServer, xmppJs, xmppWeb];
