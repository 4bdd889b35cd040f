/**
 * An ImapFlow that logs in with SASL mechanisms, whichever way its version allows it.
 *
 * @module
 */
import type { SASLMechanism } from "sasl-core";
import type { AuthenticateOptions, AuthenticationResult } from "sasl-imap";
import { loginInside } from "./inside.js";
import { transportThatLogsIn } from "./transport.js";

/** The class `ImapFlow`, from version 1.7.8 on. */
export type ImapFlowClass = { readonly version: string } & (new (options: never) => object);

/** What the class takes, without `auth`. */
export type ImapFlowSettings<Class extends ImapFlowClass> = Omit<NonNullable<ConstructorParameters<Class>[0]>, "auth">;

/** Options of the choice and the exchange, as `authenticate` of `sasl-imap` has them, and what is told back. */
export interface SASLOptions extends Omit<AuthenticateOptions, "tag" | "onUntagged"> {
  /**
   * Counts TLS as protection although `tls.rejectUnauthorized` is false and the certificate was not verified. Whoever is in
   * the middle can then read passwords of PLAIN and LOGIN.
   */
  readonly allowUnverifiedCertificate?: boolean | undefined;
  /** Told who logged in, and how, before `connect()` resolves. */
  readonly onAuthenticated?: ((result: AuthenticationResult) => void) | undefined;
}

/** The first version with the option `transport`; older ones pass over it and log in their own way. */
const firstWithTransport: readonly [major: number, minor: number] = [2, 5];

/**
 * Makes an ImapFlow. Its `connect()` logs in with the strongest mechanism both sides accept, and rejects with a
 * `SASLFailure` or an `AuthenticationFailure` where that fails; the connection is closed then. As every ImapFlow it connects
 * once: make another one to connect again, with the same mechanisms.
 *
 * TLS is required, from the first octet (`secure`) or by STARTTLS; `doSTARTTLS: false` goes without it.
 *
 * @param ImapFlow the class, from `imapflow`.
 * @param settings what its constructor takes, without `auth`: credentials are the mechanisms'.
 * @param mechanisms with their credentials, from `sasl-imap/mechanisms`.
 * @throws {TypeError} for `auth` among the settings: imapflow must not get a password to log in with in its own way.
 */
export function createImapFlow<Class extends ImapFlowClass>(
  ImapFlow: Class,
  settings: ImapFlowSettings<Class>,
  mechanisms: readonly SASLMechanism[],
  options: SASLOptions = {},
): InstanceType<Class> {
  const given: Settings = settings;
  const make = (more: object): InstanceType<Class> =>
    new ImapFlow({ ...given, ...more } as never) as InstanceType<Class>;
  if (given.auth !== undefined) throw new TypeError("credentials belong to the mechanisms: leave auth out");
  const direct = given.secure ?? given.port === 993;
  const tls = direct || given.doSTARTTLS !== false;
  if (hasTransport(ImapFlow.version) && given.proxy === undefined && given.transport === undefined) {
    const port = given.port ?? (direct ? 993 : 143);
    const channel = tls ? (direct ? "tls" : "starttls") : "none";
    const transport = transportThatLogsIn(channel, mechanisms, options);
    // STARTTLS is done before imapflow hears a word; it must not try once more.
    return make({ port, transport, secure: tls, doSTARTTLS: tls ? undefined : false });
  }
  const client = make(tls && !direct ? { doSTARTTLS: true } : {});
  loginInside(client, mechanisms, options);
  return client;
}

/** What is used of the settings, whichever version they are for. */
interface Settings {
  readonly port?: number | undefined;
  readonly secure?: boolean | undefined;
  readonly proxy?: string | undefined;
  readonly doSTARTTLS?: boolean | undefined;
  readonly auth?: unknown;
  readonly transport?: unknown;
}

function hasTransport(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [firstMajor, firstMinor] = firstWithTransport;
  return major > firstMajor || (major === firstMajor && minor >= firstMinor);
}
