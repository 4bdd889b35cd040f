/**
 * `sasl-cli/server`: a server for tests and demonstrations, IMAP, SMTP and XMPP on loopback. Follows semver.
 * It keeps mail and presence in memory and is neither a mail nor a chat system.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import {
  type AccountStore,
  type ExternalIdentity,
  isSASLError,
  type Mechanism,
  type PasswordScheme,
  SASLFailure,
  SASLServer,
  type ServerEvent,
  type ServerOptions,
  saslprepName,
  stripRealm,
  type Throttle,
  type TokenVerifier,
} from "sasl-core";
import type { LoadedPlugins } from "sasl-core/node";
import { Sweep } from "sasl-lines";
import { bareJid, normalizeDomain } from "sasl-xmpp";
import { withPlugins } from "../known-mechanisms.js";
import { type CertificatePair, makeCertificate } from "./certificate.js";
import { CertificateFile } from "./certificate-file.js";
import { clientNames } from "./client-names.js";
import { Listeners } from "./listeners.js";
import { Mailboxes, type MailboxLimits } from "./mailbox.js";
import { offered, survey } from "./offered.js";
import { type Accept, imapService, type ServiceContext, smtpService, xmppServices } from "./services.js";
import { TlsLayer } from "./tls-layer.js";
import { servedTokens, withoutSecondFactor, withTokens } from "./xmpp-login.js";

export type { CertificatePair } from "./certificate.js";
export type { MailboxLimits } from "./mailbox.js";

/**
 * What can be served; the names with `s` at the end of a protocol's have TLS from the first octet, the others STARTTLS. `ws`
 * and `wss` are XMPP over WebSocket: `ws` without TLS, for clients on the same machine, where it counts as protected, or
 * behind a proxy that ends TLS.
 */
export const serviceNames = ["imap", "imaps", "smtp", "smtps", "xmpp", "xmpps", "ws", "wss"] as const;

export type ServiceName = (typeof serviceNames)[number];

/** How a login came out. Holds no secret. */
export interface LoginEvent {
  readonly protocol: "imap" | "smtp" | "xmpp";
  readonly mechanism: string;
  readonly ok: boolean;
  readonly authcid: string | null;
  readonly authzid: string | null;
  readonly channelBinding: string | null;
  /** Strength of the security layer in bits; 0 for none. */
  readonly ssf: number;
  readonly remote: string | null;
  /** Why not: a code of `sasl-core`. */
  readonly code?: string;
  /** What only the server may know about why not. */
  readonly detail?: string;
}

/** What {@link startServer} is told. */
export interface TestServerOptions {
  /** Port for each service that is wanted, 0 for any; at least one. */
  readonly ports: Readonly<Partial<Record<ServiceName, number>>>;
  readonly accounts: AccountStore;
  /** Address to listen on. Default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Domain of the accounts. Default `localhost`. */
  readonly domain?: string | undefined;
  /**
   * What to offer. Default: everything that works for the accounts there are at the start (for the first 1000 of them),
   * without ANONYMOUS, what is obsolete and what is experimental. A store that cannot be asked then gets what `sasl user add` makes. EXTERNAL
   * needs `clientCa`, bearer tokens need `tokens`; ANONYMOUS becomes the user `anonymous`.
   */
  readonly mechanisms?: readonly Mechanism[] | undefined;
  /** Offers mechanisms that send secrets in the clear, and XMPP's login, without TLS too. Whoever is on the way reads them. */
  readonly allowPlaintext?: boolean | undefined;
  /** Least strength, in bits, of what protects a connection: TLS, or a security layer in its place. Default 0. */
  readonly minSsf?: number | undefined;
  /** Strongest security layer to agree to, in bits; 0 for none. Default: any where there is no TLS. */
  readonly maxSsf?: number | undefined;
  /** Left out: a self-signed one is made. */
  readonly certificate?: CertificatePair | undefined;
  /** Issuers of client certificates, PEM. Left out: clients are not asked for one. */
  readonly clientCa?: string | undefined;
  /**
   * What plug-ins bring: their mechanisms are there too, or take the place of those of the same name; their canonicalisers
   * come after those of the server.
   */
  readonly plugins?: Pick<LoadedPlugins, "mechanisms" | "canonicalizers"> | undefined;
  /** How one-way hashes of passwords are checked, such as `passwordSchemes` of `sasl-passwords`. Default: they are not. */
  readonly passwordSchemes?: readonly PasswordScheme[] | undefined;
  /** After a login with the password itself, store the verifiers that the account lacks. Default false. */
  readonly autoTransition?: boolean | undefined;
  /** Judge of bearer tokens, such as `jwtVerifier` of `sasl-core/jwt`. */
  readonly tokens?: TokenVerifier | undefined;
  readonly prepare?: "saslprep" | "none" | undefined;
  /**
   * At least 16 octets that keep the salts of unknown users the same over restarts, and tokens of FAST out of the store.
   * Default random for salts; tokens are in the store then.
   */
  readonly secret?: Uint8Array | undefined;
  /**
   * Counts of the accounts' SCRAM verifiers, each at least 4096: what names nobody has are shown. Default: those of some
   * accounts that are there at the start.
   */
  readonly scramIterations?: readonly number[] | undefined;
  /** How fast clients may try, such as `throttle()` of `sasl-throttle`. Default: as fast as they can. */
  readonly throttle?: Throttle | undefined;
  /** Called once for each exchange. */
  readonly onLogin?: ((event: LoginEvent) => void) | undefined;
  /** Told of faults of this server, which end the connection they occur on. Default: they are passed over. */
  readonly onError?: ((error: unknown) => void) | undefined;
  readonly mailboxLimits?: Partial<MailboxLimits> | undefined;
}

/** A server that runs. */
export interface TestServer {
  /** Ports it listens on, for each service asked for. */
  readonly ports: Readonly<Partial<Record<ServiceName, number>>>;
  /** File with the certificate clients are to trust, PEM. Gone after `close()`. */
  readonly ca: string;
  /** The same, as text. */
  readonly caPem: string;
  readonly domain: string;
  readonly host: string;
  /** Stops listening, ends all connections and removes the file. Resolves when all of it is done; may be repeated. */
  close(): Promise<void>;
}

/**
 * Starts a server.
 *
 * @throws {RangeError} for no port, a domain that is none, or a secret that is too short.
 * @throws {CommandError} `address-in-use`, `host-unreachable` when it cannot listen.
 */
export async function startServer(options: TestServerOptions): Promise<TestServer> {
  const { host = "127.0.0.1", clientCa } = options;
  const domain = normalizeDomain(options.domain ?? "localhost");
  if (domain === undefined) throw new RangeError("domain is no domain name");
  const wanted = serviceNames.filter((name) => options.ports[name] !== undefined);
  if (wanted.length === 0) throw new RangeError("ports names no service");

  const pair =
    options.certificate ?? (await makeCertificate(isIP(host) && /^[0:.]+$/.test(host) ? [domain] : [domain, host]));
  const layer = new TlsLayer({
    cert: pair.cert,
    key: pair.key,
    ...(clientCa !== undefined && { ca: clientCa, requestCert: true }),
    rejectUnauthorized: false, // those without a good certificate log in otherwise
  });
  const identities = new WeakMap<Socket, ExternalIdentity>();
  const context: Omit<ServiceContext, "server"> = {
    domain,
    allowPlaintext: options.allowPlaintext ?? false,
    sweep: new Sweep(),
    mailboxes: new Mailboxes(options.mailboxLimits),
    isAccount: async (name) => (await options.accounts.lookup(name, [])) !== undefined,
    external: (socket) => identities.get(socket),
    admit: withoutSecondFactor(options.accounts),
    async secure(socket) {
      const secured = await layer.secure(socket);
      if (clientCa === undefined) return secured;
      try {
        const names = await knownNames(secured, domain, options.accounts);
        if (names.length > 0) identities.set(secured, { names });
        return secured;
      } catch (error) {
        secured.destroy();
        context.report(error);
        throw new SASLFailure("connection-lost", "the accounts cannot be looked up", { cause: error });
      }
    },
    report: (error) => options.onError?.(error),
  };
  const secret = options.secret ?? randomBytes(32);
  const known = withPlugins(options.plugins?.mechanisms ?? []);
  const found = await survey(options.accounts, known, context.report);
  const mechanisms = options.mechanisms ?? offered(known, found);
  const scramIterations = options.scramIterations ?? (found.iterations.length > 0 ? found.iterations : undefined);
  const make = (protocol: LoginEvent["protocol"], served: readonly Mechanism[] = mechanisms) => ({
    ...context,
    server: saslServer(protocol, domain, secret, { ...options, mechanisms: served, scramIterations }),
  });
  const tokens = servedTokens(options.accounts, options.mechanisms, options.secret);
  const imap = imapService(make("imap"));
  const smtp = smtpService(make("smtp"));
  const forXmpp = make("xmpp", withTokens(mechanisms, tokens));
  // Names nobody has are shown what accounts were seen to have: the first one seen would be told from them (R-SA2-06).
  for (const name of found.examples) {
    await forXmpp.server.workingMechanisms(name, { secure: true }).catch(context.report);
  }
  const xmpp = xmppServices(forXmpp, options.accounts, tokens);
  const services: Readonly<Record<ServiceName, { readonly accept: Accept; readonly tls: boolean }>> = {
    imap: { accept: imap, tls: false },
    imaps: { accept: imap, tls: true },
    smtp: { accept: smtp, tls: false },
    smtps: { accept: smtp, tls: true },
    xmpp: { accept: xmpp.stream, tls: false },
    xmpps: { accept: xmpp.stream, tls: true },
    ws: { accept: xmpp.websocket, tls: false },
    wss: { accept: xmpp.websocket, tls: true },
  };

  const file = await CertificateFile.write(pair.cert);
  const listeners = new Listeners(host, (socket, name) => {
    const { accept, tls } = services[name];
    if (!tls) return accept(socket);
    context
      .secure(socket)
      .then(accept)
      .catch((error: unknown) => {
        socket.destroy();
        if (!isSASLError(error)) context.report(error); // a handshake that fails is the client's affair
      });
  });
  try {
    for (const name of wanted) await listeners.listen(name, options.ports[name] as number);
  } catch (error) {
    await listeners.close();
    await file.remove();
    throw error;
  }
  return {
    ports: listeners.ports,
    ca: file.path,
    caPem: pair.cert,
    domain,
    host,
    async close() {
      await listeners.close();
      await file.remove();
    },
  };
}

function saslServer(
  service: LoginEvent["protocol"],
  domain: string,
  secret: Uint8Array,
  options: TestServerOptions & { readonly mechanisms: readonly Mechanism[] },
): SASLServer {
  const { mechanisms, accounts, passwordSchemes, autoTransition, tokens, prepare, scramIterations, throttle } = options;
  const { plugins, allowPlaintext = false, minSsf, maxSsf, onLogin, onError } = options;
  const settings: ServerOptions = {
    service,
    host: domain,
    mechanisms,
    accounts,
    passwordSchemes,
    autoTransition,
    tokens,
    prepare,
    secret,
    scramIterations,
    throttle,
    anonymous: mechanisms.some((each) => each.needs === "trace") ? "anonymous" : undefined,
    canonicalizers: [
      ...(prepare === "none" ? [] : [saslprepName]),
      service === "xmpp" ? bareJid([domain]) : stripRealm(domain),
      ...(plugins?.canonicalizers ?? []),
    ],
    policy: { requireEncryption: !allowPlaintext, minSsf, maxSsf },
    onOutcome: onLogin && ((event) => onLogin(loginEvent(service, event))),
    onFault: onError,
  };
  return new SASLServer(settings);
}

function loginEvent(protocol: LoginEvent["protocol"], event: ServerEvent): LoginEvent {
  const { mechanism, ok, authcid, authzid, channelBinding, ssf, remote, code, detail } = event;
  return {
    protocol,
    mechanism,
    ok,
    authcid: authcid ?? null,
    authzid: authzid ?? null,
    channelBinding: channelBinding ?? null,
    ssf: ssf ?? 0,
    remote: remote ?? null,
    ...(code !== undefined && { code }),
    ...(detail !== undefined && { detail }),
  };
}

/** Names of a client certificate that have an account here. */
async function knownNames(socket: TLSSocket, domain: string, accounts: AccountStore): Promise<string[]> {
  const known: string[] = [];
  for (const name of clientNames(socket, domain)) {
    if ((await accounts.lookup(name, [])) !== undefined) known.push(name);
  }
  return known;
}
