/**
 * From a clear-text transport to one over TLS, for programs that own the connection. The dialogue before it (STARTTLS and
 * its answer) is the protocol's; here is the moment between the two.
 *
 * @module
 */
import { type ConnectionOptions, connect, TLSSocket, type TLSSocketOptions } from "node:tls";
import { SASLFailure } from "sasl-core";
import { type NodeLineTransport, type NodeLineTransportOptions, nodeLineTransport } from "./socket.js";

/**
 * Begins TLS as a client.
 *
 * @param transport right after the server's go-ahead was read. It cannot be used any more.
 * @param tls `servername` (or `host`) is the name the user gave; the certificate is verified for it.
 * @throws {SASLFailure} `peer-not-verified` when clear-text octets followed the go-ahead (R-IMAP-10, R-SMTP-16);
 *   `channel-not-protected` when the handshake fails. The socket is destroyed in both cases.
 */
export async function startTlsClient(
  transport: NodeLineTransport,
  tls: ConnectionOptions,
  options: NodeLineTransportOptions = {},
): Promise<NodeLineTransport> {
  const { socket, leftover } = transport.release();
  if (leftover.length > 0) {
    socket.destroy();
    throw new SASLFailure("peer-not-verified", "clear text followed the answer to STARTTLS");
  }
  const secured = connect({ ...tls, socket });
  await handshake(secured, "secureConnect", options.signal);
  return nodeLineTransport(secured, { ...options, role: "client" });
}

/**
 * Begins TLS as a server.
 *
 * @param transport right after the go-ahead was written. It cannot be used any more. What the client sent ahead in the
 *   clear is dropped (R-IMAP-09, R-SMTP-15).
 * @param tls `secureContext`, and what else `tls.TLSSocket` takes for a server. Node does not verify a client's certificate
 *   here, and `authorized` stays false: where EXTERNAL matters, hand the released socket to a `tls.Server` instead
 *   (`server.emit("connection", socket)`).
 * @throws {SASLFailure} `channel-not-protected` when the handshake fails; the socket is destroyed.
 */
export async function startTlsServer(
  transport: NodeLineTransport,
  tls: TLSSocketOptions,
  options: NodeLineTransportOptions = {},
): Promise<NodeLineTransport> {
  const { socket } = transport.release();
  const secured = new TLSSocket(socket, { ...tls, isServer: true });
  await handshake(secured, "secure", options.signal);
  return nodeLineTransport(secured, { ...options, role: "server" });
}

/** Resolves with the handshake; on anything else destroys the socket and rejects. */
function handshake(
  socket: TLSSocket,
  done: "secure" | "secureConnect",
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      forget();
      resolve();
    };
    const fail = (cause?: unknown): void => {
      forget();
      socket.on("error", () => {}); // what may still come of it
      socket.destroy();
      reject(new SASLFailure("channel-not-protected", "the TLS handshake failed", { cause }));
    };
    const onClose = (): void => fail();
    const onAbort = (): void => fail(signal?.reason);
    const forget = (): void => {
      socket.off(done, finish).off("error", fail).off("close", onClose);
      signal?.removeEventListener("abort", onAbort);
    };
    socket.once(done, finish).once("error", fail).once("close", onClose);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
  });
}
