/**
 * Two transports joined back to back in memory: for tests, playgrounds and documentation.
 *
 * @module
 */
import { type ChannelBinding, SASLFailure } from "sasl-core";
import type { XMLAdapter } from "./element.js";
import type { ElementTransport } from "./transport.js";

/** What a pair pretends to be. */
export interface ElementPairOptions {
  /** Whether both ends count as protected. Default false. */
  readonly secure?: boolean | undefined;
  readonly clientBinding?: ChannelBinding | undefined;
  readonly serverBinding?: ChannelBinding | undefined;
}

/** One end of a pair. */
export interface ElementPairEnd<E> extends ElementTransport<E> {
  /** Ends the stream for both. */
  close(): void;
}

/** Makes a client's end and a server's end; what one sends the other receives. */
export function elementPair<E>(
  adapter: XMLAdapter<E>,
  options: ElementPairOptions = {},
): { readonly client: ElementPairEnd<E>; readonly server: ElementPairEnd<E> } {
  const toServer = new Mailbox<E>();
  const toClient = new Mailbox<E>();
  const end = (from: Mailbox<E>, to: Mailbox<E>, channelBinding: ChannelBinding | undefined): ElementPairEnd<E> => ({
    adapter,
    secure: options.secure === true,
    channelBinding,
    send: (element) => to.put(element),
    receive: () => from.take(),
    close() {
      from.close();
      to.close();
    },
  });
  return {
    client: end(toClient, toServer, options.clientBinding),
    server: end(toServer, toClient, options.serverBinding),
  };
}

/** Elements on their way, and those who wait for them. */
class Mailbox<E> {
  readonly #elements: E[] = [];
  readonly #waiting: { resolve: (element: E) => void; reject: (error: SASLFailure) => void }[] = [];
  #closed = false;

  put(element: E): void {
    if (this.#closed) throw closed();
    const waiter = this.#waiting.shift();
    if (waiter) waiter.resolve(element);
    else this.#elements.push(element);
  }

  take(): Promise<E> {
    const element = this.#elements.shift();
    if (element !== undefined) return Promise.resolve(element);
    if (this.#closed) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  close(): void {
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(closed());
  }
}

function closed(): SASLFailure {
  return new SASLFailure("connection-lost", "the stream is closed");
}
