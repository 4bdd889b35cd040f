/**
 * A server of ours with everything SASL2 has, for other people's clients: accounts in memory, STARTTLS, TLS from the first
 * octet or WebSocket, a resource the old way or with the login, and an answer to every query.
 *
 * @module
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHTTPServer } from "node:http";
import { createServer as createHTTPSServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createServer as createTLSServer } from "node:tls";
import { isSASLError, makeScramVerifier, memoryAccounts, SASLServer, type ServerEvent } from "sasl-core";
import {
  hashedTokens,
  hashSha1,
  hashSha256,
  hashSha512,
  plain,
  scramSha1,
  scramSha1Plus,
  scramSha256,
  scramSha256Plus,
} from "sasl-core/mechanisms";
import {
  type AuthenticatedStream,
  bareJid,
  bind2Server,
  carbonsServer,
  fastServer,
  NS_CLIENT,
  scramUpgradeTasks,
  streamManagementServer,
  XMPPConnection,
} from "sasl-xmpp";
import { XMPPListener, type XMPPListenerOptions } from "sasl-xmpp/node";
import { WebSocketFraming } from "sasl-xmpp/websocket";
import { WebSocketServer } from "ws";
import { accounts } from "../accounts.js";
import type { Channel, Endpoint } from "../types.js";
import { webCodec } from "./reach.js";

const NS_BIND = "urn:ietf:params:xml:ns:xmpp-bind";
const domain = "localhost";

/** A login as the server saw it. */
export interface ServedLogin {
  readonly profile: "sasl1" | "sasl2";
  readonly mechanism: string;
  readonly jid: string;
  /** What Bind 2 bound. */
  readonly resource: string | undefined;
  readonly userAgent: string | undefined;
}

type Stream = Parameters<NonNullable<XMPPListenerOptions["onAuthenticated"]>>[0];
type Element = Parameters<Stream["send"]>[0];

/** The running server. */
export class Service {
  readonly logins: ServedLogin[] = [];
  /** Exchanges that failed: mechanism and code. */
  readonly failures: string[] = [];
  /** What ended a connection that should not have. */
  readonly faults: string[] = [];
  readonly tokens: ReturnType<typeof hashedTokens>;
  readonly #accounts: ReturnType<typeof memoryAccounts>;
  readonly #options: XMPPListenerOptions;
  readonly #listener: XMPPListener;
  readonly #servers: Server[] = [];
  readonly #tls: string;

  /**
   * A server whose accounts have verifiers for SHA-1 and SHA-256.
   *
   * @param tls folder of the certificates @param binding whether -PLUS is offered
   */
  static async start(tls: string, binding: boolean): Promise<Service> {
    const store = memoryAccounts();
    for (const { name, typed } of accounts) {
      const made = [hashSha1, hashSha256].map((hash) => makeScramVerifier(hash, typed));
      await store.store(name, { authPassword: await Promise.all(made) });
    }
    return new Service(tls, binding, store);
  }

  private constructor(tls: string, binding: boolean, store: ReturnType<typeof memoryAccounts>) {
    this.#tls = tls;
    this.#accounts = store;
    this.tokens = hashedTokens({ accounts: store });
    const bound = binding ? [scramSha1Plus, scramSha256Plus] : [];
    const server = new SASLServer({
      mechanisms: [plain, scramSha1, scramSha256, ...bound, ...this.tokens.mechanisms],
      accounts: store,
      service: "xmpp",
      canonicalizers: [bareJid([domain])],
      onOutcome: (event: ServerEvent) => {
        if (!event.ok) this.failures.push(`${event.mechanism} ${event.code}`);
      },
    });
    const carbons = carbonsServer(() => {});
    const management = streamManagementServer({ enable: () => ({ failed: "feature-not-implemented" }) });
    const session = bind2Server({ features: [carbons, management] });
    this.#options = {
      server,
      hosts: [domain],
      tls: this.#pair(),
      sasl2: {
        inline: [session, fastServer({ tokens: this.tokens })],
        tasks: scramUpgradeTasks({ accounts: store, hashes: [hashSha512] }),
      },
      features: (_, adapter, resource) => (resource === undefined ? [adapter.create("bind", NS_BIND)] : []),
      onAuthenticated: (stream) => this.#serve(stream),
      onError: (error) => {
        // A client may leave without a word, as go-sendxmpp does after a refusal.
        if (!isSASLError(error) || error.code !== "connection-lost") this.faults.push(String(error));
      },
    };
    this.#listener = new XMPPListener(this.#options);
  }

  /** The port it listens on from now on. */
  listen(name: string, channel: "starttls" | "implicit"): Promise<Endpoint> {
    const accept = (socket: Socket) => void this.#listener.accept(socket);
    const server = channel === "starttls" ? createServer(accept) : createTLSServer(this.#pair(), accept);
    return this.#listen(server, name, channel);
  }

  /** The same, over WebSocket with TLS or without. */
  listenWeb(name: string, channel: "implicit" | "none"): Promise<Endpoint> {
    const secure = channel === "implicit";
    const server = secure ? createHTTPSServer(this.#pair()) : createHTTPServer();
    new WebSocketServer({ server, handleProtocols: () => "xmpp" }).on("connection", (socket) => {
      const parts = { ...webCodec, framing: new WebSocketFraming(socket, webCodec), secure };
      void new XMPPConnection(parts, this.#options).run();
    });
    return this.#listen(server, name, channel);
  }

  /** Whether an account has a verifier for SCRAM-SHA-512 now. */
  async upgraded(name: string): Promise<boolean> {
    const found = await this.#accounts.lookup(name, ["authPassword"]);
    return found?.authPassword?.some(({ hash }) => hash === "SHA-512") ?? false;
  }

  close(): void {
    this.#listener.close();
    for (const server of this.#servers) server.close();
  }

  async #listen(server: Server, name: string, channel: Channel): Promise<Endpoint> {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    this.#servers.push(server);
    const { port } = server.address() as AddressInfo;
    const ca = join(this.#tls, "ca.pem");
    return { server: name, protocol: "xmpp", channel, host: "127.0.0.1", port, ca, domain };
  }

  #pair(): { cert: Buffer; key: Buffer } {
    return {
      cert: readFileSync(join(this.#tls, "server.pem")),
      key: readFileSync(join(this.#tls, "server.key")),
    };
  }

  async #serve(stream: AuthenticatedStream<Element>): Promise<void> {
    const { profile, resource, jid, userAgent, result } = stream;
    this.logins.push({ profile, mechanism: result.mechanism, jid, resource, userAgent: userAgent.id });
    for (let each = await stream.receive(); each; each = await stream.receive()) {
      const reply = answer(stream, each);
      if (reply !== undefined) await stream.send(reply);
    }
  }
}

/** A resource for who has none, and an empty result for everything else (RFC 6120 §7.6, §8.2.3). */
function answer({ adapter, jid, resource = "r" }: AuthenticatedStream<Element>, element: Element): Element | undefined {
  const { id, type = "" } = element.attrs as Record<string, string | undefined>;
  if (element.name !== "iq" || id === undefined || !["get", "set"].includes(type)) return undefined;
  const asked = element.getChildElements()[0];
  const children = asked?.is("bind", NS_BIND)
    ? [adapter.create("bind", NS_BIND, {}, [adapter.create("jid", NS_BIND, {}, [`${jid}/${resource}`])])]
    : asked?.is("query", "jabber:iq:roster")
      ? [adapter.create("query", "jabber:iq:roster")]
      : [];
  return adapter.create("iq", NS_CLIENT, { type: "result", id, to: `${jid}/${resource}` }, children);
}
