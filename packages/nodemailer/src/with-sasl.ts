/**
 * nodemailer's transport options with a login by `sasl-smtp` in them, through its `customAuth`.
 *
 * @module
 */
import type { Socket } from "node:net";
import type SMTPConnection from "nodemailer/lib/smtp-connection";
import type SMTPPool from "nodemailer/lib/smtp-pool";
import type SMTPTransport from "nodemailer/lib/smtp-transport";
import type { SASLMechanism } from "sasl-core";
import { type AuthenticateOptions, type AuthenticationResult, authenticate } from "sasl-smtp";
import { CommandWire } from "./command-wire.js";
import { type Opened, open } from "./open.js";

/** Options of the choice and the exchange (`sasl-core`), and of the connection. */
export interface SASLOptions extends Omit<AuthenticateOptions, "channelBinding"> {
  /**
   * Counts TLS as protection although the server's certificate was not verified (`tls.rejectUnauthorized: false`). Whoever
   * is in the middle can then read what is sent, passwords of PLAIN and LOGIN included.
   */
  readonly allowUnverifiedCertificate?: boolean | undefined;
  /** Told of each login: with a pool, of one for each connection. It is waited for, and what it throws fails the login. */
  readonly onAuthenticated?: ((result: AuthenticationResult) => void | Promise<void>) | undefined;
}

/** What nodemailer's SMTP transports take, pools too. */
export type TransportOptions = SMTPTransport.Options | SMTPPool.Options;

/** The options that {@link withSASL} fills in. */
export type SASLTransportOptions = Required<Pick<SMTPTransport.Options, "auth" | "forceAuth" | "getSocket">>;

/** The name that `customAuth` knows the handler by. No mechanism is called that. */
const METHOD = "SASL";

/** What would put credentials into nodemailer, or keep us from the connection. */
const foreign = ["auth", "customAuth", "authMethod", "proxy", "socket", "url", "lmtp"] as const;

/**
 * Transport options for `createTransport` that log in with the strongest mechanism both sides accept.
 *
 * TLS is required: from the first octet with `secure` or port 465, else by STARTTLS, also where nodemailer alone would go on
 * without it. `ignoreTLS` turns that off, for a server on the same machine.
 *
 * @param transport nodemailer's options, without credentials. `getSocket` may give a connected socket, through a proxy say.
 * @param mechanisms with their credentials, from `sasl-smtp/mechanisms`.
 * @returns a new object. Every error of a login that it leads to is nodemailer's own, code `EAUTH`, with the error of
 *   `sasl-core` as its `cause`.
 * @throws {TypeError} for options that cannot go together with it: `auth`, `customAuth`, `authMethod`, `proxy`, `socket`, `url`,
 *   `lmtp`.
 */
export function withSASL<const T extends TransportOptions>(
  transport: T,
  mechanisms: readonly SASLMechanism[],
  options: SASLOptions = {},
): T & SASLTransportOptions {
  const given = transport as SMTPTransport.Options & { readonly proxy?: unknown };
  for (const name of foreign) {
    if (given[name]) throw new TypeError(`withSASL takes no ${name}: credentials stand in the mechanisms`);
  }
  const { allowUnverifiedCertificate = false, onAuthenticated, ...settings } = options;

  const login = async (
    opened: Opened,
    host: string | undefined,
    context: SMTPConnection.CustomAuthenticationContext,
  ): Promise<void> => {
    const wire = new CommandWire((command) => context.sendCommand(command), opened.facts, opened.socket);
    let result: AuthenticationResult;
    try {
      result = await authenticate(wire, opened.announced, mechanisms, { host, ...settings });
    } catch (cause) {
      // nodemailer writes into the error it is given, its code included.
      throw new Error((cause as Error).message, { cause });
    }
    await onAuthenticated?.(result);
  };

  const getSocket: NonNullable<SMTPTransport.Options["getSocket"]> = (resolved, callback) => {
    const opening = (async (): Promise<object> => {
      const opened = await open(resolved, await ownSocket(given, resolved), allowUnverifiedCertificate);
      const handler: SMTPConnection.CustomAuthenticationHandlers[string] = async (context) =>
        login(opened, resolved.host, context);
      const tls = "encrypted" in opened.socket;
      return {
        connection: opened.socket,
        secure: tls,
        secured: tls,
        ignoreTLS: !tls,
        requireTLS: false,
        // XOAUTH2 is what an `auth` of a single message can ask for, so that is answered by the same login.
        customAuth: { [METHOD]: handler, XOAUTH2: handler },
      };
    })();
    opening.then(
      (found) => callback(null, found as never),
      (error: Error) => callback(error),
    );
  };

  return {
    ...transport,
    getSocket,
    forceAuth: true, // mail without a login would be a login skipped
    // The pool logs in only where there is a user. Without the method it would be PLAIN.
    // The service is there for messages whose own `auth` names no user, which would go out without a login.
    auth: { type: "custom", method: METHOD, user: METHOD, service: METHOD },
  };
}

/** The socket that the application opened itself, if it does. */
async function ownSocket(
  { connection, getSocket }: SMTPTransport.Options,
  resolved: SMTPTransport.Options,
): Promise<Socket | undefined> {
  if (getSocket === undefined) return connection;
  return new Promise((resolve, reject) => {
    getSocket(resolved, (error, found) => {
      if (error) reject(error);
      else resolve((found || undefined)?.connection as Socket | undefined);
    });
  });
}
