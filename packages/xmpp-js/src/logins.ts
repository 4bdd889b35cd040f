/**
 * The logins of one client.
 *
 * @module
 */
import { isSASLError, type SASLErrorCode, SASLFailure, type SASLMechanism } from "sasl-core";
import {
  authenticate,
  type ElementTransport,
  NS_BIND2,
  NS_SASL2,
  parseJid,
  type XMPPAuthenticationResult,
} from "sasl-xmpp";
import { channelOf, drop } from "#channel";
import type { LibrarySocket } from "./channel.js";
import type { SASLClientOptions } from "./client.js";
import { type Approach, adapterOf, Gate } from "./gate.js";
import type { Entity, XMPPElement } from "./library.js";
import { disconnecting, start } from "./start.js";

/** What may be better at the next attempt. After everything else somebody has to act first. */
const passing: readonly SASLErrorCode[] = ["connection-lost", "temporary", "timed-out"];

/** See above. Lives as long as the client. */
export class Logins {
  readonly #entity: Entity;
  readonly #mechanisms: readonly SASLMechanism[];
  readonly #settings: SASLClientOptions;
  readonly #gate: Gate;

  constructor(entity: Entity, mechanisms: readonly SASLMechanism[], settings: SASLClientOptions) {
    this.#entity = entity;
    this.#mechanisms = mechanisms;
    this.#settings = settings;
    this.#gate = new Gate(entity, async (error) => {
      await this.#end(error);
      entity.emit("error", error);
    });
    entity.start = () => start(entity);
    entity.disconnect = disconnecting(entity);
  }

  /** The library's hook. @throws what `authenticate` throws; the connection is ended then. */
  async logIn(): Promise<void> {
    const { approach } = this.#gate;
    let result: XMPPAuthenticationResult;
    try {
      if (approach === undefined) throw new SASLFailure("unexpected-message", "the server asks for no login");
      result = await this.#authenticate(approach);
    } catch (error) {
      // Otherwise the connection of now is another one.
      if (this.#gate.approach === approach || this.#entity.socket === null) await this.#end(error);
      throw error;
    }
    this.#settings.onAuthenticated?.(result);
    if (result.jid !== undefined) this.#proceed(result.jid);
  }

  async #authenticate(approach: Approach): Promise<XMPPAuthenticationResult> {
    const { features, inbox } = approach;
    const entity = this.#entity;
    // The library takes its own session up again where it has one; in one that is bound it could not (XEP-0198 §5).
    const sasl2 = features.getChild("authentication", NS_SASL2);
    if (entity.streamManagement?.id) sasl2?.getChild("inline", NS_SASL2)?.remove("bind", NS_BIND2);
    const result = await authenticate(this.#transport(approach), features, this.#mechanisms, this.#settings);
    inbox.check();
    if (result.profile === "sasl2") return result;
    this.#gate.admit();
    // Where the features offered SASL2, the library thinks that this was it, and leaves the stream as it is.
    if (sasl2 !== undefined) await entity.restart();
    return result;
  }

  #transport({ features, inbox }: Approach): ElementTransport<XMPPElement> {
    const entity = this.#entity;
    const { trusted, ...channel } = channelOf(entity.socket ?? {}, entity.options);
    const from = entity.root?.attrs.from;
    return {
      ...channel,
      adapter: adapterOf(features),
      secure: trusted && entity.isSecure(),
      host: entity.options.domain,
      from: typeof from === "string" ? from : undefined,
      // Without the library's event `send`, which debuggers listen to: what is sent is secret.
      send: async (element) => {
        inbox.check();
        await entity.write(String(element));
      },
      receive: () => inbox.take(),
    };
  }

  /** SASL2: what the library's own would tell the rest of it. */
  #proceed(jid: string): void {
    const bound = parseJid(jid)?.resource !== undefined;
    this.#gate.open(bound);
    this.#entity._jid(jid);
    if (bound) this.#entity._ready(false);
    this.#gate.release();
  }

  async #end(error: unknown): Promise<void> {
    this.#gate.shut();
    const entity = this.#entity;
    if (entity.socket !== null) await dropped(entity, entity.socket);
    // Otherwise the library would come back every second with what was turned down.
    if (!isSASLError(error) || !passing.includes(error.code)) await entity.stop().catch(() => {});
  }
}

/** Ends a connection without further words: the library would wait for those of the server, and fails at what it says then. */
async function dropped(entity: Entity, socket: LibrarySocket): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await new Promise<void>((resolve) => {
    entity.once("disconnect", () => resolve());
    timer = setTimeout(resolve, entity.timeout);
    drop(socket);
  });
  clearTimeout(timer);
}
