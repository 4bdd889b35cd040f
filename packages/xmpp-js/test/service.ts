/**
 * A server of ours with everything SASL2 has, and what trusts it: the library has no option for certificates.
 *
 * @module
 */
import { once } from "node:events";
import { createServer as createHTTPSServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import tls from "node:tls";
import { Element } from "ltx";
import { type Mechanism, memoryAccounts, SASLServer, type ServerEvent } from "sasl-core";
import { hashedTokens, plain, scramSha256, scramSha256Plus } from "sasl-core/mechanisms";
import {
  type AuthenticatedStream,
  bareJid,
  bind2Server,
  fastServer,
  ltxAdapter,
  NS_CLIENT,
  NS_SM,
  XMPPConnection,
} from "sasl-xmpp";
import { parseElement, XMPPListener, type XMPPListenerOptions } from "sasl-xmpp/node";
import { WebSocketFraming } from "sasl-xmpp/websocket";
import { vi } from "vitest";
import { WebSocketServer } from "ws";
import { cert, key } from "./certificate.js";

const NS_BIND = "urn:ietf:params:xml:ns:xmpp-bind";

/** Until the mocks are restored, TLS clients trust the certificate of the tests. */
export function trustCertificate(): void {
  const { connect } = tls;
  vi.spyOn(tls, "connect").mockImplementation(((options: tls.ConnectionOptions) =>
    connect({ ...options, ca: cert })) as typeof connect);
}

/** How to get to it: STARTTLS, TLS from the first octet, `wss`. */
export type Way = "xmpp" | "xmpps" | "wss";

export interface ServiceOptions {
  readonly way?: Way;
  readonly sasl2?: boolean;
  /** Features after the login say that streams can be managed. */
  readonly managed?: boolean;
  readonly mechanisms?: readonly Mechanism[];
}

/** The account is alice with "open sesame". */
export class Service {
  readonly logins: string[] = [];
  readonly failures: string[] = [];
  /** What clients sent once they were in: names and namespaces. */
  readonly heard: string[] = [];
  readonly streams: AuthenticatedStream<Element>[] = [];
  readonly #server: Server;
  readonly #listener: XMPPListener;
  readonly #connections = new Set<Socket>();
  readonly #way: Way;

  static async start(options: ServiceOptions = {}): Promise<Service> {
    const service = new Service(options);
    service.#server.listen(0, "127.0.0.1");
    await once(service.#server, "listening");
    return service;
  }

  private constructor({ way = "xmpp", sasl2 = false, managed = false, mechanisms }: ServiceOptions) {
    const accounts = memoryAccounts({ alice: "open sesame" });
    const tokens = hashedTokens({ accounts });
    const options: XMPPListenerOptions = {
      server: new SASLServer({
        mechanisms: [...(mechanisms ?? [plain, scramSha256, scramSha256Plus]), ...tokens.mechanisms],
        accounts,
        service: "xmpp",
        canonicalizers: [bareJid(["localhost"])],
        onOutcome: (event: ServerEvent) => {
          if (!event.ok) this.failures.push(`${event.mechanism} ${event.code}`);
        },
      }),
      hosts: ["localhost"],
      tls: { key, cert },
      sasl2: sasl2 && { inline: [bind2Server(), fastServer({ tokens })] },
      // As some servers do, also where it is bound.
      features: (_, adapter) => [adapter.create("bind", NS_BIND), ...(managed ? [adapter.create("sm", NS_SM)] : [])],
      onAuthenticated: (stream) => this.#serve(stream),
    };
    this.#way = way;
    this.#listener = new XMPPListener(options);
    const accept = (socket: Socket) => void this.#listener.accept(socket);
    this.#server =
      way === "xmpp"
        ? createServer(accept)
        : way === "xmpps"
          ? tls.createServer({ key, cert }, accept)
          : createHTTPSServer({ key, cert });
    this.#server.on("connection", (socket: Socket) => this.#connections.add(socket));
    if (way !== "wss") return;
    const adapter = ltxAdapter(Element);
    const codec = { adapter, parse: (xml: string) => parseElement(xml, adapter), serialize: String };
    new WebSocketServer({ server: this.#server as never, handleProtocols: () => "xmpp" }).on("connection", (socket) => {
      const framing = new WebSocketFraming(socket, codec);
      void new XMPPConnection({ ...codec, framing, secure: true }, options).run();
    });
  }

  /** For the library's `service`. */
  get url(): string {
    return `${this.#way}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts every connection. */
  cut(): void {
    for (const each of this.#connections) each.destroy();
    this.#connections.clear();
  }

  close(): void {
    this.cut();
    this.#listener.close();
    this.#server.close();
  }

  async #serve(stream: AuthenticatedStream<Element>): Promise<void> {
    const { profile, resource, result } = stream;
    this.logins.push([profile, result.mechanism, ...(resource === undefined ? [] : ["bound"])].join(" "));
    this.streams.push(stream);
    for (let each = await stream.receive(); each; each = await stream.receive()) {
      const asked = each.getChildElements()[0];
      this.heard.push(asked?.is("bind", NS_BIND) ? "bind" : each.name);
      if (each.name !== "iq") continue;
      const jid = stream.adapter.create("jid", NS_BIND, {}, [`${stream.jid}/r`]);
      const children = asked?.is("bind", NS_BIND) ? [stream.adapter.create("bind", NS_BIND, {}, [jid])] : [];
      await stream.send(
        stream.adapter.create("iq", NS_CLIENT, { type: "result", id: String(each.attrs.id) }, children),
      );
    }
  }
}
