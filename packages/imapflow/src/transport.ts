/**
 * The public way, from version 2.5 on: a connection that is logged in before imapflow hears a word of it.
 *
 * imapflow asks its `transport` for a stream. It is given one on which nothing comes until the login is done here, by
 * `sasl-imap`; then it says that the connection is authenticated already (RFC 9051 §7.1.4), and carries what follows.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { SASLFailure, type SASLMechanism, type SecurityLayer } from "sasl-core";
import { layered } from "sasl-core/node";
import { type AuthenticationResult, authenticate, greet, type LineTransport } from "sasl-imap";
import { type NodeLineTransport, nodeLineTransport, startTlsClient } from "sasl-lines/node";
import type { SASLOptions } from "./create.js";
import { LoggedInStream } from "./logged-in-stream.js";

/** How a connection is protected: TLS from the first octet, by STARTTLS, or not at all. */
export type Channel = "tls" | "starttls" | "none";

/** Where imapflow wants to go. */
interface Destination {
  readonly host: string;
  readonly port: number;
  readonly servername?: string | undefined;
  readonly tls?: ConnectionOptions | undefined;
}

/** What imapflow takes as `transport`. */
export interface Transport {
  connect(destination: Destination, onConnect: () => void): Duplex;
}

/** A transport of connections on which somebody has logged in. */
export function transportThatLogsIn(
  channel: Channel,
  mechanisms: readonly SASLMechanism[],
  options: SASLOptions,
): Transport {
  return {
    connect: (destination, onConnect) =>
      new LoggedInStream((signal) => login(destination, channel, mechanisms, options, signal), onConnect),
  };
}

/** What a login left behind. */
export interface LoggedIn {
  readonly socket: Socket;
  /** The socket, or a security layer around it. */
  readonly stream: Duplex;
  /** Octets that have arrived behind the login. */
  readonly head: Uint8Array;
  readonly result: AuthenticationResult;
}

async function login(
  { host, port, servername, tls }: Destination,
  channel: Channel,
  mechanisms: readonly SASLMechanism[],
  options: SASLOptions,
  closed: AbortSignal,
): Promise<LoggedIn> {
  const secured = { host, ...(servername !== undefined && { servername }), ...tls };
  const trust = { allowUnverifiedCertificate: options.allowUnverifiedCertificate, signal: closed };
  const dialled = channel === "tls" ? connectTls({ ...secured, port }) : connect({ host, port });
  try {
    await ready(dialled, channel === "tls" ? "secureConnect" : "connect", closed);
    const upgrade = (clear: NodeLineTransport) => startTlsClient(clear, secured, trust);
    const greeting = await greet(nodeLineTransport(dialled, trust), channel === "starttls" ? { upgrade } : {});
    const { wire, announced } = greeting;
    if (greeting.preauthenticated) throw loggedInAlready();
    let layer: SecurityLayer | undefined;
    const unlayered = withProtect(wire, (agreed) => {
      layer = agreed;
    });
    const signal = options.signal === undefined ? closed : AbortSignal.any([closed, options.signal]);
    const result = await authenticate(unlayered, announced, mechanisms, {
      host: servername ?? host,
      ...options,
      signal,
    });
    options.onAuthenticated?.(result);
    const { socket, leftover } = wire.release();
    if (layer === undefined) return { socket, stream: socket, head: leftover, result };
    return { socket, stream: layered(socket, layer, { head: leftover }), head: new Uint8Array(0), result };
  } catch (error) {
    dialled.destroy();
    throw error;
  }
}

/** Nobody was asked for a proof: neither this end nor the server. */
export function loggedInAlready(): SASLFailure {
  return new SASLFailure("unexpected-message", "the server takes the connection for authenticated without a login");
}

/** The same transport, with a layer put in force elsewhere: what is under one cannot be released. */
function withProtect(wire: NodeLineTransport, protect: (layer: SecurityLayer) => void): LineTransport {
  return {
    secure: wire.secure,
    channelBinding: wire.channelBinding,
    get buffered() {
      return wire.buffered;
    },
    readLine: (maxBytes) => wire.readLine(maxBytes),
    write: (text) => wire.write(text),
    protect,
  };
}

/** @throws what went wrong, when the socket fails first. */
function ready(socket: Socket, event: "connect" | "secureConnect", signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      reject(error);
      socket.destroy();
    };
    const abort = (): void => fail(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    socket.once("error", fail).once(event, () => {
      signal.removeEventListener("abort", abort);
      socket.off("error", fail);
      resolve();
    });
  });
}
