/**
 * What `login` and `probe` need of a protocol, the same for all of them.
 *
 * @module
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import {
  type AuthenticateOptions,
  type AuthenticationResult,
  type EvaluateOptions,
  hiddenMechanisms,
  isSASLError,
  type OffersCompared,
  type SASLErrorCode,
  SASLFailure,
  type SASLMechanism,
} from "sasl-core";
import { type TLSFacts, tlsFacts } from "sasl-core/node";
import { type NodeLineTransport, type NodeLineTransportOptions, startTlsClient } from "sasl-lines/node";
import type { Target } from "../url.js";
import { connectTcp, startTls, type TlsSettings, tlsError, tlsOptions } from "./connect.js";
import { type Place, placesOf } from "./places.js";

/** When TLS begins: never, after the protocol has agreed on it, or before the first octet. */
export type TlsMode = "none" | "starttls" | "implicit";

/** How to reach a server. */
export interface Route {
  readonly target: Target;
  readonly mode: TlsMode;
  readonly tls: TlsSettings;
  /** What the certificate must be for: the host; in XMPP the domain. */
  readonly name: string;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

/** What a server offers on the connection as it is. */
export interface Offer {
  readonly mechanisms: readonly string[];
  /** Binding types the server says it supports (XEP-0440); `undefined` when it said nothing. */
  readonly bindingTypes?: readonly string[] | undefined;
  /** What else is worth knowing, by protocol; for `probe`. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** A connection that is ready for a login. */
export interface Session {
  readonly socket: Socket;
  /** What was offered before TLS began; `undefined` when it began at once, or never. */
  readonly before: Offer | undefined;
  readonly offer: Offer;
  /**
   * Logs in, and sees to it that the protocol goes on after it.
   *
   * @param onResult told as soon as it is known, before anything goes through a security layer.
   */
  authenticate(
    mechanisms: readonly SASLMechanism[],
    options: AuthenticateOptions,
    onResult?: (result: AuthenticationResult) => void,
  ): Promise<AuthenticationResult>;
  /** Ends the protocol politely, and the connection. */
  end(): Promise<void>;
}

/** Called with whatever becomes known on the way, so that a failure can still tell it. */
export interface Progress {
  /** @param hint what may be wrong if nothing comes of it. */
  onStage?(stage: string, hint?: string): void;
  onSocket?(socket: Socket): void;
  /** @param final false before STARTTLS, when anybody may have written it. */
  onOffer?(offer: Offer, final: boolean): void;
}

/** The ALPN name of a protocol over direct TLS, where there is one (XEP-0368, RFC 8314 has none for mail). */
const alpnNames: Readonly<Record<Target["protocol"], string | undefined>> = {
  imap: undefined,
  smtp: undefined,
  xmpp: "xmpp-client",
};

/**
 * The socket of a route, with TLS on it where that comes first. Where there are several places they are tried in turn.
 *
 * @throws {CommandError} what was wrong with the last one.
 */
export async function connectRoute(route: Route, progress: Progress): Promise<Socket> {
  progress.onStage?.(`looking ${route.target.host} up`);
  const places = await placesOf(route.target, route.name);
  for (let next = 0; ; next++) {
    try {
      const socket = await connectPlace(route, places[next] as Place, progress);
      progress.onSocket?.(socket);
      progress.onStage?.("waiting for the server's greeting", greetingHint(route));
      return socket;
    } catch (error) {
      if (next + 1 >= places.length || route.signal.aborted) throw error;
    }
  }
}

function greetingHint({ target, mode }: Route): string {
  const look = "check host and port";
  return mode === "implicit" ? look : `${look}; if TLS comes first there, the scheme is ${target.protocol}s`;
}

async function connectPlace(route: Route, { host, port }: Place, progress: Progress): Promise<Socket> {
  const { target, mode, tls, name, signal } = route;
  progress.onStage?.(
    `connecting to ${host.includes(":") ? `[${host}]` : host}:${port}`,
    "check host, port and firewalls",
  );
  const socket = await connectTcp(host, port, signal);
  if (mode !== "implicit") return socket;
  progress.onStage?.("the TLS handshake", `if TLS begins with STARTTLS there, the scheme is ${target.protocol}`);
  return startTls(socket, { ...tls, name, alpn: alpnNames[target.protocol] }, signal);
}

/**
 * Runs what begins TLS; a handshake that fails is a matter of the connection, with a reason to tell.
 *
 * @param isHandshake whether an error came of the handshake itself.
 */
export async function explained<T>(
  route: Route,
  isHandshake: (code: SASLErrorCode) => boolean,
  upgrade: () => Promise<T>,
): Promise<T> {
  try {
    return await upgrade();
  } catch (error) {
    if (isSASLError(error) && isHandshake(error.code)) throw tlsError(error.cause, route.name);
    throw error;
  }
}

export const transportOptions = ({ signal, tls }: Route): NodeLineTransportOptions => ({
  signal,
  allowUnverifiedCertificate: tls.insecure,
});

/** What `greet` of IMAP and SMTP needs to begin TLS after STARTTLS, and to tell of it; empty where it is not to. */
export function upgradeOf<A>(route: Route, progress: Progress, offerOf: (announced: A) => Offer): Upgrade<A> {
  if (route.mode !== "starttls") return {};
  return {
    onBefore(announced) {
      progress.onOffer?.(offerOf(announced), false);
      progress.onStage?.("agreeing on STARTTLS");
    },
    async upgrade(wire) {
      progress.onStage?.("the TLS handshake after STARTTLS");
      const begin = () => startTlsClient(wire, tlsOptions(route.tls, route.name), transportOptions(route));
      // That TLS is not to be had is known before.
      const secured = await explained(route, (code) => code !== "peer-not-verified", begin);
      progress.onSocket?.(secured.socket);
      progress.onStage?.("asking what is offered over TLS");
      return secured;
    },
  };
}

interface Upgrade<A> {
  onBefore?(announced: A): void;
  upgrade?(wire: NodeLineTransport): Promise<NodeLineTransport>;
}

/**
 * Compares what was offered in the clear with what is offered through a security layer (RFC 4422 §6.1.2).
 *
 * @param options those of the login, and what the channel was like before the layer.
 * @throws {SASLFailure} `peer-not-verified` when something stronger had been taken out on the way.
 */
export function refuseHidden(
  { mechanism }: AuthenticationResult,
  offers: OffersCompared,
  mechanisms: readonly SASLMechanism[],
  options: EvaluateOptions,
): void {
  const hidden = hiddenMechanisms(mechanism, offers, mechanisms, options);
  if (hidden.length === 0) return;
  throw new SASLFailure(
    "peer-not-verified",
    `the server offers ${hidden.join(", ")} as well, which somebody on the way had taken out`,
  );
}

/** What to say of the TLS below a socket; `null` when there is none. */
export function tlsReport(socket: Socket | undefined): Omit<TLSFacts, "resumed"> | null {
  const facts = socket instanceof TLSSocket ? tlsFacts(socket) : undefined;
  return facts ? { version: facts.version, cipher: facts.cipher, verified: facts.verified } : null;
}
