/**
 * Ways to a server: over a socket with STARTTLS or TLS from the first octet, or over a WebSocket.
 *
 * @module
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { connect as connectTLS } from "node:tls";
import { Element } from "ltx";
import { authenticatedXMLLimits, type ClientStream, ltxAdapter } from "sasl-xmpp";
import { parseElement, SocketStream } from "sasl-xmpp/node";
import { websocketStream, type XMLCodec } from "sasl-xmpp/websocket";
import { WebSocket } from "ws";
import type { Endpoint } from "../types.js";

/** The TLS version of a login, the only one it offers. */
export type Version = "TLSv1.2" | "TLSv1.3";

/** What differs from login to login. */
export interface ReachOptions {
  /** Bare JID for the stream header. */
  readonly from: string;
  readonly version: Version;
  readonly signal: AbortSignal;
}

/** A stream that is open, before the login. */
export interface Reached {
  readonly stream: ClientStream<Element>;
  readonly features: Element;
  /** Elements that came and went from now on, `C:` before those of the client. */
  readonly exchange: string[];
  /** Ends the connection without a word. */
  readonly cut: () => void;
}

/** A way to one server. */
export type Reach = (options: ReachOptions) => Promise<Reached>;

/** Over TCP, with TLS as the endpoint says: from the first octet, or else by STARTTLS. */
export function overSocket({ host, port, ca, domain, channel }: Endpoint): Reach {
  return async ({ from, version, signal }) => {
    const tls = { ca: readFileSync(ca), minVersion: version, maxVersion: version, servername: domain };
    const socket = channel === "implicit" ? connectTLS({ ...tls, host, port }) : connect(port, host);
    await once(socket, channel === "implicit" ? "secureConnect" : "connect", { signal });
    const stream = new SocketStream(socket, { domain, from, signal });
    let features = await stream.open();
    if (channel === "starttls") features = await stream.startTLS(tls);
    return { stream, features, exchange: overhear(stream), cut: () => stream.socket.destroy() };
  };
}

/**
 * Over a WebSocket, with TLS where the channel is `implicit`.
 *
 * @param secure counts a connection without TLS as protected, as it is behind a server that ends TLS.
 */
export function overWebSocket({ host, port, ca, domain, channel }: Endpoint, path: string, secure?: true): Reach {
  return async ({ from, version, signal }) => {
    const tls = { ca: readFileSync(ca), minVersion: version, maxVersion: version };
    const protocol = channel === "implicit" ? "wss" : "ws";
    const socket = new WebSocket(`${protocol}://${host}:${port}${path}`, "xmpp", tls);
    const stream = websocketStream<Element>(socket, webCodec, { domain, from, signal, secure });
    const features = await stream.open();
    return { stream, features, exchange: overhear(stream), cut: () => socket.terminate() };
  };
}

const adapter = ltxAdapter(Element);

/** Elements of messages. */
export const webCodec: XMLCodec<Element> = {
  adapter,
  parse: (xml) => parseElement(xml, adapter, authenticatedXMLLimits),
  serialize: String,
};

function overhear(stream: ClientStream<Element>): string[] {
  const exchange: string[] = [];
  const [send, receive] = [stream.send.bind(stream), stream.receive.bind(stream)];
  stream.send = async (element) => {
    exchange.push(`C: ${element}`);
    await send(element);
  };
  stream.receive = async () => {
    const element = await receive();
    exchange.push(`S: ${element}`);
    return element;
  };
  return exchange;
}
