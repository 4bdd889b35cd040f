/**
 * A directory in this process with SASL and nothing else, which can be made to answer anything.
 *
 * @module
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createSecureContext, createServer as createTlsServer, TLSSocket } from "node:tls";
import { BerReader, BerWriter } from "ldapts";
import { isSASLError, type SASLServer, type SASLServerSession } from "sasl-core";
import { tlsChannelBinding } from "sasl-core/node";
import { MessageSplitter } from "../src/messages.js";

/** A bind request as it stood on the wire. */
export interface Bind {
  readonly id: number;
  readonly mechanism: string;
  /** Absent is not empty. */
  readonly credentials: Uint8Array | undefined;
}

export interface DirectoryOptions {
  readonly sasl: SASLServer;
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
  /** TLS from the first octet; else StartTLS. */
  readonly direct?: boolean;
  /** What to send instead of the answer to a bind: octets, `close`, or `undefined` for the honest answer. */
  readonly script?: (bind: Bind, count: number) => Buffer | "close" | undefined;
  /** Names that are announced. Default: what the server offers there. */
  readonly announced?: readonly string[];
  /** Turns the question what is offered down. */
  readonly secretive?: boolean;
}

export class Directory {
  readonly binds: Bind[] = [];
  readonly sockets: Socket[] = [];
  readonly #options: DirectoryOptions;
  readonly #server: Server;
  searches = 0;

  constructor(options: DirectoryOptions) {
    this.#options = options;
    const { tls, direct } = options;
    this.#server =
      direct === true && tls !== undefined
        ? createTlsServer(tls, (socket) => this.#serve(socket))
        : createServer((socket) => this.#serve(socket));
  }

  async listen(): Promise<number> {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    const { sasl } = this.#options;
    this.sockets.push(socket);
    const secured = socket instanceof TLSSocket;
    const channelBinding = secured ? tlsChannelBinding(socket, { role: "server" }) : undefined;
    const connection = { secure: secured, channelBinding };
    const session = sasl.session(connection);
    const offered = (): readonly string[] => this.#options.announced ?? sasl.mechanisms(connection);
    let waiting = "";
    const splitter = new MessageSplitter();
    const hear = async (message: Buffer): Promise<void> => {
      const reader = new BerReader(message);
      reader.readSequence();
      const id = reader.readInt() as number;
      const operation = reader.readSequence();
      if (operation === 0x63) {
        this.searches++;
        if (this.#options.secretive === true) socket.write(response(id, 0x65, 50));
        else socket.write(Buffer.concat([entry(id, offered()), response(id, 0x65, 0)]));
      }
      if (operation === 0x77) {
        socket.removeAllListeners("data");
        socket.write(response(id, 0x78, 0), () => {
          const context = createSecureContext(this.#options.tls);
          const upgraded = new TLSSocket(socket, { isServer: true, secureContext: context });
          upgraded.on("error", () => {}).on("secure", () => this.#serve(upgraded));
        });
      }
      if (operation === 0x60) {
        reader.readInt();
        reader.readString();
        reader.readSequence();
        const mechanism = reader.readString() as string;
        const credentials = reader.remain > 0 ? (reader.readString(0x04, true) ?? undefined) : undefined;
        const bind = { id, mechanism, credentials };
        this.binds.push(bind);
        const scripted = this.#options.script?.(bind, this.binds.length);
        if (scripted === "close") socket.destroy();
        else socket.write(scripted ?? (await this.#answer(session, bind, waiting)));
        waiting = mechanism;
      }
      if (operation === 0x42) socket.end();
    };
    socket
      .on("error", () => {})
      .on("data", (chunk: Buffer) => {
        for (const message of splitter.push(chunk)) void hear(message);
      });
  }

  async #answer(session: SASLServerSession, bind: Bind, waiting: string): Promise<Buffer> {
    const { id, mechanism, credentials } = bind;
    if (mechanism === "") return response(id, 0x61, 7);
    try {
      const goesOn = waiting === mechanism && credentials !== undefined && this.binds.at(-2)?.id === id + 1;
      const reply = goesOn ? await session.respond(credentials) : await session.initiate(mechanism, credentials);
      return response(id, 0x61, reply.state === "challenge" ? 14 : 0, reply.payload);
    } catch (error) {
      if (!isSASLError(error)) throw error;
      return response(id, 0x61, error.kind === "AuthenticationFailure" ? 49 : 2);
    }
  }
}

/** @param parts what stands before the credentials, for referrals. */
export function response(
  id: number,
  operation: number,
  code: number,
  credentials?: Uint8Array,
  text = "said by the directory",
): Buffer {
  return message(id, operation, (writer) => {
    writer.writeEnumeration(code);
    writer.writeString("");
    writer.writeString(text);
    if (credentials !== undefined) writer.writeBuffer(Buffer.from(credentials), 0x87);
  });
}

export function message(id: number, operation: number, parts: (writer: BerWriter) => void): Buffer {
  const writer = new BerWriter();
  writer.startSequence();
  writer.writeInt(id);
  writer.startSequence(operation);
  parts(writer);
  writer.endSequence();
  writer.endSequence();
  return Buffer.from(writer.buffer);
}

function entry(id: number, names: readonly string[]): Buffer {
  return message(id, 0x64, (writer) => {
    writer.writeString("");
    writer.startSequence();
    if (names.length > 0) {
      writer.startSequence();
      writer.writeString("supportedSASLMechanisms");
      writer.startSequence(0x31);
      for (const name of names) writer.writeString(name);
      writer.endSequence();
      writer.endSequence();
    }
    writer.endSequence();
  });
}
