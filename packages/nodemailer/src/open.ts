/**
 * A connection for nodemailer: TCP, TLS from the first octet or by STARTTLS, and what the server announces on it. Sources:
 * RFC 5321 §3.1, RFC 3207 §4, RFC 8314 §3.
 *
 * nodemailer shows neither its socket nor the server's list of mechanisms, but takes a connection that is open. It is
 * opened here, so that mechanisms can bind to its TLS, and handed over as if it were fresh.
 *
 * @module
 */
import { connect, isIP, type Socket } from "node:net";
import { type ConnectionOptions, TLSSocket, connect as tlsConnect } from "node:tls";
import { isSASLError, SASLFailure } from "sasl-core";
import { type NodeLineTransport, nodeLineTransport, startTlsClient } from "sasl-lines/node";
import { type Announcement, greet } from "sasl-smtp";

/** What nodemailer's options say about the connection; see there. */
export interface OpenOptions {
  readonly host?: string | undefined;
  readonly port?: number | string | undefined;
  readonly secure?: boolean | undefined;
  readonly servername?: string | undefined;
  readonly ignoreTLS?: boolean | undefined;
  readonly requireTLS?: boolean | undefined;
  readonly name?: string | undefined;
  readonly localAddress?: string | undefined;
  readonly connectionTimeout?: number | undefined;
  readonly tls?: ConnectionOptions | undefined;
}

/** A connection that nodemailer can have. */
export interface Opened {
  /** Paused; what it reads first is a greeting. */
  readonly socket: Socket;
  /** Tells what TLS is worth; it has given its socket away. */
  readonly facts: NodeLineTransport;
  /** What the server announced on this connection as it is now (R-SMTP-16). */
  readonly announced: Announcement;
}

const DEFAULT_TIMEOUT_MS = 120_000;

/**
 * Opens a connection up to where a login can begin.
 *
 * @param given a socket to use instead of a new one: connected, in the clear or with TLS on it.
 * @throws {Error} with one of nodemailer's codes, and the error of `sasl-core` or of Node as its cause.
 */
export async function open(options: OpenOptions, given: Socket | undefined, unverified: boolean): Promise<Opened> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), options.connectionTimeout || DEFAULT_TIMEOUT_MS);
  let socket: Socket | undefined;
  try {
    socket = await begin(options, given, late.signal);
    const wire = nodeLineTransport(socket, { signal: late.signal, allowUnverifiedCertificate: unverified });
    const upgrade = (clear: NodeLineTransport): Promise<NodeLineTransport> =>
      startTlsClient(clear, tlsOptions(options), { signal: late.signal, allowUnverifiedCertificate: unverified });
    const wanted = !(socket instanceof TLSSocket) && (options.requireTLS === true || options.ignoreTLS !== true);
    const greeting = await greet(wire, { clientName: options.name, upgrade: wanted ? upgrade : undefined });
    return { ...handOver(greeting.wire), announced: greeting.announced };
  } catch (error) {
    socket?.destroy();
    throw late.signal.aborted ? nodemailerError("ETIMEDOUT", "Connection timeout", error) : translate(error);
  } finally {
    clearTimeout(timer);
  }
}

/** The greeting was read here, so there is another one in front of what the server says next. */
function handOver(facts: NodeLineTransport): { socket: Socket; facts: NodeLineTransport } {
  const { channelBinding } = facts; // read while nothing can have changed it
  void channelBinding;
  const { socket, leftover } = facts.release();
  if (leftover.length > 0) socket.unshift(leftover);
  socket.unshift("220 the connection is open\r\n");
  socket.on("error", () => {}); // until nodemailer listens
  return { socket, facts };
}

async function begin(options: OpenOptions, given: Socket | undefined, signal: AbortSignal): Promise<Socket> {
  const { host = "localhost", localAddress } = options;
  const implicit = options.secure ?? Number(options.port) === 465;
  const port = Number(options.port) || (implicit ? 465 : 587);
  if (given instanceof TLSSocket) return given;
  const local = localAddress === undefined ? {} : { localAddress };
  if (!implicit) return given ?? connected(connect({ host, port, ...local }), "connect", signal);
  const where = given ? { socket: given } : { host, port, ...local };
  return connected(tlsConnect({ ...tlsOptions(options), ...where }), "secureConnect", signal);
}

/** The name that the certificate must be for is the one the user gave. */
function tlsOptions({ host = "localhost", servername, tls }: OpenOptions): ConnectionOptions {
  const name = servername ?? (isIP(host) ? undefined : host);
  return { host, ...(name !== undefined && { servername: name }), ...tls };
}

function connected(socket: Socket, event: "connect" | "secureConnect", signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      socket.destroy();
      reject(new SASLFailure("timed-out", "the connection took too long"));
    };
    const forget = (): void => {
      socket.off("error", fail);
      signal.removeEventListener("abort", stop);
    };
    const fail = (error: Error): void => {
      forget();
      reject(error);
    };
    signal.addEventListener("abort", stop, { once: true });
    socket.once("error", fail).once(event, () => {
      forget();
      resolve(socket);
    });
  });
}

/** What nodemailer's users look at, by what it is called here. */
const codes: Readonly<Record<string, string>> = {
  "channel-not-protected": "ETLS",
  "peer-not-verified": "ETLS",
  "connection-lost": "ECONNECTION",
  temporary: "ECONNECTION",
  aborted: "ECONNECTION",
  "timed-out": "ETIMEDOUT",
};

function translate(error: unknown): Error {
  if (isSASLError(error)) return nodemailerError(codes[error.code] ?? "EPROTOCOL", error.message, error);
  return nodemailerError("ESOCKET", (error as Error).message, error);
}

function nodemailerError(code: string, message: string, cause: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code, command: "CONN" });
}
