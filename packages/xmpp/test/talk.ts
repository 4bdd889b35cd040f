/**
 * What a client says to a connection, and all that the connection says.
 *
 * @module
 */
import { Duplex } from "node:stream";
import type { Element } from "ltx";
import type { ServerOptions } from "sasl-core";
import { type XMLLimits, XMPPConnection, type XMPPConnectionOptions, type XMPPConnectionParts } from "sasl-xmpp";
import { SocketFraming } from "sasl-xmpp/node";
import { echo, saslServer } from "./loopback.js";
import { ltxKit } from "./support.js";

/** A socket whose other end is this test. */
export class Wire extends Duplex {
  said = "";
  override _read(): void {}
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.said += chunk.toString();
    done();
  }
}

export interface Run {
  readonly parts?: Partial<XMPPConnectionParts<Element>>;
  readonly options?: Partial<XMPPConnectionOptions<Element>>;
  readonly sasl?: Partial<ServerOptions>;
  readonly limits?: Partial<XMLLimits>;
  /** Leaves the connection open after the last word. */
  readonly stay?: boolean;
}

/** Says these things to a connection and gives back all it said, with ids left out. */
export async function talk(words: readonly (string | Uint8Array)[], { parts, options, sasl, limits, stay }: Run = {}) {
  const wire = new Wire();
  const framing = new SocketFraming(wire, ltxKit.adapter, { limits });
  const errors: unknown[] = [];
  const connection = new XMPPConnection<Element>(
    { framing, adapter: ltxKit.adapter, serialize: String, secure: true, ...parts },
    {
      server: saslServer(sasl),
      sasl2: false,
      hosts: ["localhost", "other.example"],
      onAuthenticated: echo,
      onError: (error) => errors.push(error),
      ...options,
    },
  );
  const run = connection.run();
  for (const word of words) {
    wire.push(typeof word === "string" ? Buffer.from(word) : word);
    await settle();
  }
  if (!stay) wire.push(null);
  await run;
  wire.destroy();
  return {
    said: wire.said.replace(/ id='[0-9a-f]{32}'/g, ""),
    connection,
    errors,
    ids: wire.said.match(/id='[0-9a-f]{32}'/g) ?? [],
  };
}

/** Lets everything that can happen without new input happen; password checks are asynchronous. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setTimeout(resolve, 1));
}
