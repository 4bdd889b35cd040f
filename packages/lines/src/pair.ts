/**
 * Two transports joined back to back in memory: for tests, playgrounds and documentation.
 *
 * @module
 */
import type { ChannelBinding } from "sasl-core";
import { BufferedTransport, connectionLost } from "./buffered.js";
import type { ServerTransport } from "./transport.js";

/** What a pair pretends to be. */
export interface LinePairOptions {
  /** Whether both ends count as protected. Default false. */
  readonly secure?: boolean | undefined;
  readonly clientBinding?: ChannelBinding | undefined;
  readonly serverBinding?: ChannelBinding | undefined;
  /** Cuts everything that is sent into pieces of so many octets. Default: not cut. */
  readonly chunkBytes?: number | undefined;
}

/** Makes a client's end and a server's end; what one writes the other reads. */
export function linePair(options: LinePairOptions = {}): {
  readonly client: ServerTransport;
  readonly server: ServerTransport;
} {
  const client = new MemoryTransport(options, options.clientBinding);
  const server = new MemoryTransport(options, options.serverBinding);
  client.peer = server;
  server.peer = client;
  return { client, server };
}

const encoder: TextEncoder = new TextEncoder();

class MemoryTransport extends BufferedTransport {
  readonly channelBinding: ChannelBinding | undefined;
  readonly #secure: boolean;
  readonly #chunkBytes: number;
  #gone = false;
  peer!: MemoryTransport;

  constructor(options: LinePairOptions, channelBinding: ChannelBinding | undefined) {
    super();
    this.#secure = options.secure === true;
    this.channelBinding = channelBinding;
    this.#chunkBytes = options.chunkBytes ?? Number.POSITIVE_INFINITY;
  }

  get secure(): boolean {
    return this.#secure || this.layerSsf > 1;
  }

  get externalSsf(): number | undefined {
    return this.layerSsf > 0 ? Math.max(this.layerSsf, this.#secure ? 128 : 0) : undefined;
  }

  protected send(data: string | Uint8Array): void {
    if (this.#gone || this.peer.#gone) throw connectionLost();
    const octets = typeof data === "string" ? encoder.encode(data) : data;
    const size = Math.min(this.#chunkBytes, octets.length);
    for (let at = 0; at < octets.length; at += size) this.peer.receive(octets.slice(at, at + size));
  }

  protected shut(): void {
    this.#gone = true;
    this.peer.endInput();
    this.peer.onLost?.();
  }

  protected setPaused(): void {}
}
