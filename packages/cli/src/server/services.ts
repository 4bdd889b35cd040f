/**
 * From a socket to a connection of one of the protocols. What all connections have in common is made once.
 *
 * @module
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { Element } from "ltx";
import type { AccountStore, ExternalIdentity, SASLServer, ServerResult } from "sasl-core";
import { tlsChannelBinding, tlsStrength, tlsVersion } from "sasl-core/node";
import { IMAPConnection, type IMAPConnectionOptions } from "sasl-imap";
import type { Sweep } from "sasl-lines";
import { type NodeLineTransport, nodeLineTransport } from "sasl-lines/node";
import { SMTPConnection, type SMTPConnectionOptions } from "sasl-smtp";
import { ltxAdapter, XMPPConnection, type XMPPConnectionOptions, type XMPPConnectionParts } from "sasl-xmpp";
import { parseElement, SocketFraming } from "sasl-xmpp/node";
import { WebSocketFraming } from "sasl-xmpp/websocket";
import { imapCapabilities, serveMailboxes } from "./imap.js";
import type { Mailboxes } from "./mailbox.js";
import { deliverTo } from "./smtp.js";
import { websockets } from "./websocket.js";
import { Chat, chatFeatures } from "./xmpp.js";
import { type ServedTokens, sasl2Features } from "./xmpp-login.js";

/** What the services share. */
export interface ServiceContext {
  readonly server: SASLServer;
  readonly domain: string;
  readonly allowPlaintext: boolean;
  readonly sweep: Sweep;
  readonly mailboxes: Mailboxes;
  readonly isAccount: (name: string) => Promise<boolean>;
  /** Whom the client's certificate stands for, as local parts. */
  readonly external: (socket: Socket) => ExternalIdentity | undefined;
  /** The last word in protocols without tasks; throws a SASLError for who may not come in so. */
  readonly admit: (result: ServerResult) => Promise<void>;
  /** Puts TLS on a socket. */
  readonly secure: (socket: Socket) => Promise<TLSSocket>;
  /** Told of our own faults. */
  readonly report: (error: unknown) => void;
}

/** Takes a socket over; a `TLSSocket` after its handshake. */
export type Accept = (socket: Socket) => void;

const serverRole = Object.freeze({ role: "server" });
const MAX_MESSAGE_BYTES = 1_048_576;

/** Begins TLS under a line transport. What the client sent ahead in the clear is dropped (R-IMAP-09, R-SMTP-15). */
function startTls(context: ServiceContext): (wire: NodeLineTransport) => Promise<NodeLineTransport> {
  return async (wire) => nodeLineTransport(await context.secure(wire.release().socket), serverRole);
}

export function imapService(context: ServiceContext): Accept {
  const options: IMAPConnectionOptions<NodeLineTransport> = {
    server: context.server,
    capabilities: imapCapabilities,
    onAuthenticated: serveMailboxes(context.mailboxes),
    startTls: startTls(context),
    connection: (wire) => ({ external: context.external(wire.socket), admit: context.admit }),
    sweep: context.sweep,
  };
  // In the clear all clients are greeted alike, and to work out what to offer takes longer than to say it.
  let greeting: string | undefined;
  class Connection extends IMAPConnection<NodeLineTransport> {
    override get greeting(): string {
      if (this.wire.secure) return super.greeting;
      greeting ??= super.greeting;
      return greeting;
    }
  }
  return (socket) => {
    new Connection(nodeLineTransport(socket, serverRole), options).run().catch(context.report);
  };
}

export function smtpService(context: ServiceContext): Accept {
  const options: SMTPConnectionOptions<NodeLineTransport> = {
    server: context.server,
    host: context.domain,
    extensions: ["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", `SIZE ${MAX_MESSAGE_BYTES}`],
    maxMessageBytes: MAX_MESSAGE_BYTES,
    onMessage: deliverTo(context),
    startTls: startTls(context),
    connection: (wire) => ({ external: context.external(wire.socket), admit: context.admit }),
    sweep: context.sweep,
  };
  return (socket) => {
    new SMTPConnection(nodeLineTransport(socket, serverRole), options).run().catch(context.report);
  };
}

const adapter = ltxAdapter(Element);

/** XMPP over both kinds of connection; who is on one can chat with who is on the other. */
export interface XMPPServices {
  readonly stream: Accept;
  readonly websocket: Accept;
}

/** @param tokens what is given out for the next login; their mechanisms are those of the server. */
export function xmppServices(
  context: ServiceContext,
  accounts: AccountStore,
  tokens: ServedTokens | undefined,
): XMPPServices {
  const { domain, sweep, report } = context;
  const chat = new Chat();
  const options: XMPPConnectionOptions<Element> = {
    server: context.server,
    hosts: [domain],
    offerByAccount: true,
    requireTLS: !context.allowPlaintext,
    sasl2: sasl2Features(accounts, tokens, chat.sessions.inline, report),
    features: (result, features, resource) => chatFeatures(features, resource, chat.sessions.managed(result)),
    onAuthenticated: (stream) => chat.serve(stream),
  };
  const channel = (socket: TLSSocket) => ({
    channelBinding: tlsChannelBinding(socket, serverRole),
    externalSsf: tlsStrength(socket),
    tlsVersion: tlsVersion(socket),
    external: asJids(context.external(socket), domain),
  });
  const run = (parts: XMPPConnectionParts<Element>, more: Partial<XMPPConnectionOptions<Element>> = {}) => {
    const connection = new XMPPConnection(parts, { ...options, ...more });
    sweep.add(connection);
    void connection.run().then(() => sweep.delete(connection));
  };
  const stream: Accept = (socket) => {
    const framing = new SocketFraming(socket, adapter);
    run({
      framing,
      adapter,
      serialize: String,
      secure: socket instanceof TLSSocket,
      ...(socket instanceof TLSSocket && channel(socket)),
      remote: socket.remoteAddress,
      startTLS: async () => {
        const secured = await context.secure(framing.release() as Socket);
        framing.adopt(secured);
        return channel(secured);
      },
    });
  };
  // Browsers do not tell their pages what TLS they use: nothing to bind to, and no version to compare.
  const websocket = websockets((websocket, socket) => {
    const framing = new WebSocketFraming(websocket, webCodec);
    const tls = socket instanceof TLSSocket;
    const secure = tls || isLoopback(socket.localAddress);
    const facts = tls ? { externalSsf: tlsStrength(socket), external: asJids(context.external(socket), domain) } : {};
    const parts = { framing, adapter, serialize: String, secure, ...facts, remote: socket.remoteAddress };
    run(parts, tls ? {} : { requireTLS: false }); // there is no STARTTLS in it
  });
  return { stream, websocket };
}

const webCodec = { adapter, parse: (xml: string) => parseElement(xml, adapter), serialize: String };

/** What stays on this machine is protected, as it is behind a proxy that ends TLS, and as browsers see it too. */
function isLoopback(address = ""): boolean {
  return address === "::1" || /^(?:::ffff:)?127\./.test(address);
}

/** In XMPP an authzid is a bare JID (RFC 6120 §6.3.8). */
function asJids(identity: ExternalIdentity | undefined, domain: string): ExternalIdentity | undefined {
  return identity && { names: identity.names.map((name) => `${name}@${domain}`) };
}
