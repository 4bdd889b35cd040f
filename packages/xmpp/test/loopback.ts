/**
 * Both ends on loopback: a listener of ours behind a net or TLS server, and sockets to it.
 *
 * @module
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import {
  type ConnectionOptions,
  connect as connectTLS,
  createServer as createTLSServer,
  type TLSSocket,
} from "node:tls";
import type { Element } from "ltx";
import { memoryAccounts, SASLServer, type ServerEvent, type ServerOptions } from "sasl-core";
import { anonymous, plain, scramSha256, scramSha256Plus } from "sasl-core/mechanisms";
import { type AuthenticatedStream, bareJid } from "sasl-xmpp";
import { XMPPListener, type XMPPListenerOptions } from "sasl-xmpp/node";
import { cert, key } from "./certificate.js";

export const ca = cert;

/** A SASL server with the account alice, password "open sesame". */
export function saslServer(options: Partial<ServerOptions> = {}): SASLServer {
  return new SASLServer({
    mechanisms: [plain, scramSha256, scramSha256Plus, anonymous],
    accounts: memoryAccounts({ alice: "open sesame", bob: "pässwörd" }),
    service: "xmpp",
    canonicalizers: [bareJid(["localhost"])],
    ...options,
  });
}

/** Answers every element with itself. */
export async function echo(stream: AuthenticatedStream<Element>): Promise<void> {
  for (let element = await stream.receive(); element; element = await stream.receive()) await stream.send(element);
}

export interface Loopback {
  readonly port: number;
  readonly listener: XMPPListener;
  readonly events: ServerEvent[];
  readonly errors: unknown[];
  connect(): Promise<Socket>;
  connectTLS(options?: ConnectionOptions): Promise<TLSSocket>;
  close(): Promise<void>;
}

/** @param direct TLS from the first octet instead of STARTTLS. */
export async function loopback(
  options: Partial<XMPPListenerOptions> & { sasl?: Partial<ServerOptions>; direct?: boolean } = {},
): Promise<Loopback> {
  const { sasl, direct, ...rest } = options;
  const events: ServerEvent[] = [];
  const errors: unknown[] = [];
  const listener = new XMPPListener({
    server: saslServer({ onOutcome: (event) => events.push(event), ...sasl }),
    hosts: ["localhost"],
    tls: { key, cert },
    onAuthenticated: echo,
    onError: (error) => errors.push(error),
    ...rest,
  });
  const server: Server = direct
    ? createTLSServer(
        { key, cert, ca, requestCert: rest.external !== undefined, rejectUnauthorized: false },
        (socket) => listener.accept(socket),
      )
    : createServer((socket) => listener.accept(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    listener,
    events,
    errors,
    async connect() {
      const socket = connect(port, "127.0.0.1");
      await once(socket, "connect");
      return socket;
    },
    async connectTLS(options) {
      const socket = connectTLS({ port, host: "127.0.0.1", servername: "localhost", ca, ...options });
      await once(socket, "secureConnect");
      return socket;
    },
    async close() {
      listener.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
