/**
 * A bind with SASL on a client of ldapts. Source: RFC 4511 §4.2, RFC 4513 §5.2.
 *
 * The bind requests are written, and their answers read, on the client's own socket: `client.bindSASL` takes text alone, always
 * sends credentials, and keeps back what the server says with its success, which is where SCRAM's proof stands.
 * That socket is not public, nor are the few other members named here.
 *
 * @module
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Client } from "ldapts";
import {
  type AuthenticateOptions,
  type AuthenticationResult,
  authenticate,
  isSASLError,
  SASLFailure,
  type SASLMechanism,
} from "sasl-core";
import { tlsChannelBinding } from "sasl-core/node";
import { asSASLError } from "sasl-core/plugin";
import { BindExchange } from "./exchange.js";

/** Options of the choice and the exchange, as `authenticate` of `sasl-core` has them. */
export interface SASLBindOptions extends AuthenticateOptions {
  /** Mechanism names, where they are known from elsewhere. Default: what the directory says, see {@link supportedMechanisms}. */
  readonly offered?: readonly string[] | undefined;
  /** Counts the connection as protected although it is none of TLS with a verified certificate: a local socket. Default false. */
  readonly secure?: boolean | undefined;
}

/** Members of a client that are not public. */
interface Inside {
  readonly socket?: Socket;
  readonly host?: string;
  _onBindSuccess?(rebind: () => Promise<void>): void;
  _destroySocket?(socket: Socket): void;
}

/** Sockets with a bind under way. */
const busy: WeakSet<Socket> = new WeakSet();

/**
 * Binds with the strongest mechanism both sides accept. Connects where the client is not connected; for StartTLS call
 * `client.startTLS()` before. While it is under way the client must not be asked anything else (RFC 4511 §4.2.1).
 *
 * With the client's option `autoRebind` a connection that was lost is bound again in the same way.
 *
 * @param mechanisms with their credentials, from `sasl-core/mechanisms`.
 * @throws {AuthenticationFailure} the directory turned the credentials down; the connection is anonymous.
 * @throws {SASLFailure} everything else. The connection is closed after `peer-not-verified`, and wherever it is not known
 *   as whom the directory takes it.
 * @throws {TypeError} for a client that has no socket where it is looked for.
 */
export async function saslBind(
  client: Client,
  mechanisms: readonly SASLMechanism[],
  options: SASLBindOptions = {},
): Promise<AuthenticationResult> {
  const offered = await supportedMechanisms(client).catch((error: unknown) => {
    // Not everybody may see it; but now there is a connection, or there is none to be had.
    if (options.offered !== undefined && client.isConnected) return options.offered;
    throw asSASLError(error, "connection-lost", "the directory does not say what it offers");
  });
  const inside = client as unknown as Inside;
  const { socket, host } = inside;
  if (socket === undefined) throw new TypeError("the socket is not where this version of sasl-ldapts looks for it");
  if (busy.has(socket)) throw new SASLFailure("unexpected-message", "another bind is under way on this connection");
  busy.add(socket);
  const tls = socket instanceof TLSSocket ? socket : undefined;
  const exchange = new BindExchange(socket, options.secure === true || tls?.authorized === true);
  try {
    const result = await authenticate(exchange, options.offered ?? offered, mechanisms, {
      service: "ldap",
      host,
      channelBinding: tls && tlsChannelBinding(tls, { role: "client" }),
      ...options,
    });
    inside._onBindSuccess?.(async () => void (await saslBind(client, mechanisms, options))); // for `isBound` and `autoRebind`
    return result;
  } catch (error) {
    // The server may take the connection for bound, or is not who it should be.
    if (!exchange.settled || !isSASLError(error) || error.code === "peer-not-verified") {
      inside._destroySocket?.(socket); // after StartTLS ldapts does not notice by itself
      socket.destroy();
    }
    throw error;
  } finally {
    busy.delete(socket);
  }
}

/**
 * The mechanisms a directory offers on the connection as it is now (RFC 4512 §5.1): ask again after TLS has begun.
 *
 * @throws what ldapts throws.
 */
export async function supportedMechanisms(client: Client): Promise<string[]> {
  const attribute = "supportedSASLMechanisms";
  const { searchEntries } = await client.search("", {
    scope: "base",
    filter: "(objectClass=*)",
    attributes: [attribute],
  });
  return Object.entries(searchEntries[0] ?? {})
    .filter(([name]) => name.toLowerCase() === attribute.toLowerCase())
    .flatMap(([, values]) => values)
    .map(String);
}
