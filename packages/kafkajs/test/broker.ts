/**
 * As much of a Kafka broker as a client needs to log in: ApiVersions, SaslHandshake, SaslAuthenticate, Metadata.
 * Source: the Kafka protocol guide.
 *
 * @module
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { isSASLError, type SASLReply, type SASLServer, type SASLServerSession } from "sasl-core";

/** Numbers of requests. */
const keys = { metadata: 3, saslHandshake: 17, apiVersions: 18, saslAuthenticate: 36 } as const;
const errors = { unsupportedMechanism: 33, illegalState: 34, authenticationFailed: 58 } as const;

/** What a scripted broker answers to SaslAuthenticate: its octets, or the text of a refusal, or the end. */
export type Answer =
  | { readonly octets?: Uint8Array | undefined }
  | { readonly refusal: string; readonly code?: number }
  | "close";

export interface BrokerOptions {
  readonly sasl: SASLServer;
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
  /** Version of SaslAuthenticate. Default 1. */
  readonly version?: 0 | 1;
  /** How long sessions last, in milliseconds, from version 1 on. Default for ever. */
  readonly lifetimeMs?: number;
  /** In place of the honest answer, where it is not `undefined`. */
  readonly script?: (octets: Buffer, count: number) => Answer | undefined;
}

export class Broker {
  /** Octets of every SaslAuthenticate. */
  readonly heard: Buffer[] = [];
  readonly #options: BrokerOptions;
  readonly #server: Server;
  readonly #sockets: Socket[] = [];

  constructor(options: BrokerOptions) {
    this.#options = options;
    const { tls } = options;
    this.#server = tls
      ? createTlsServer(tls, (socket) => this.#serve(socket))
      : createServer((socket) => this.#serve(socket));
  }

  async listen(): Promise<string> {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
    return `localhost:${this.#port}`;
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#sockets.length;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    this.#sockets.push(socket);
    const { sasl, tls } = this.#options;
    const connection = { secure: tls !== undefined, successData: true };
    const login = new Login(() => sasl.session(connection), sasl.mechanisms(connection));
    let rest = Buffer.alloc(0);
    let work = Promise.resolve();
    socket
      .on("error", () => {})
      .on("data", (chunk: Buffer) => {
        rest = Buffer.concat([rest, chunk]);
        while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE()) {
          const frame = rest.subarray(4, 4 + rest.readInt32BE());
          rest = rest.subarray(4 + frame.length);
          work = work.then(() => this.#hear(socket, login, frame));
        }
      });
  }

  async #hear(socket: Socket, login: Login, frame: Buffer): Promise<void> {
    const [key, version, correlation] = [frame.readInt16BE(), frame.readInt16BE(2), frame.readInt32BE(4)];
    const clientId = frame.readInt16BE(8);
    const body = frame.subarray(10 + Math.max(clientId, 0));
    const parts = await this.#answer(login, key, version, body);
    if (parts === "close") {
      socket.destroy();
      return;
    }
    const answer = Buffer.concat([int32(correlation), ...parts]);
    socket.write(Buffer.concat([int32(answer.length), answer]));
  }

  async #answer(login: Login, key: number, version: number, body: Buffer): Promise<Buffer[] | "close"> {
    switch (key) {
      case keys.apiVersions: {
        const supported = [
          [keys.metadata, 0],
          [keys.saslHandshake, 1],
          [keys.apiVersions, 2],
          [keys.saslAuthenticate, this.#options.version ?? 1],
        ];
        const rows = supported.map(([each = 0, highest = 0]) => Buffer.concat([int16(each), int16(0), int16(highest)]));
        return [int16(0), int32(rows.length), ...rows, ...(version > 0 ? [int32(0)] : [])];
      }
      case keys.saslHandshake: {
        const name = body.subarray(2, 2 + body.readInt16BE()).toString();
        login.begin(name);
        const known = login.offered.includes(name);
        return [
          int16(known ? 0 : errors.unsupportedMechanism),
          int32(login.offered.length),
          ...login.offered.map(string),
        ];
      }
      case keys.saslAuthenticate: {
        const octets = Buffer.from(body.subarray(4, 4 + body.readInt32BE()));
        this.heard.push(octets);
        const answer = this.#options.script?.(octets, this.heard.length) ?? (await login.say(octets));
        if (answer === "close") return "close";
        const lifetime = version > 0 ? [int32(0), int32(this.#options.lifetimeMs ?? 0)] : [];
        if ("refusal" in answer)
          return [int16(answer.code ?? errors.authenticationFailed), string(answer.refusal), int32(0), ...lifetime];
        return [int16(0), int16(-1), bytes(answer.octets), ...lifetime];
      }
      case keys.metadata:
        return [int32(1), int32(1), string("localhost"), int32(this.#port), int32(0)];
      default:
        return "close";
    }
  }
}

/** The logins on one connection, one after the other, by one of our sessions each. */
class Login {
  readonly offered: readonly string[];
  readonly #open: () => SASLServerSession;
  #session: SASLServerSession | undefined;
  #mechanism = "";
  #begun = false;

  constructor(open: () => SASLServerSession, offered: readonly string[]) {
    this.#open = open;
    this.offered = offered;
  }

  begin(mechanism: string): void {
    this.#mechanism = mechanism;
    this.#session = this.#open();
    this.#begun = false;
  }

  async say(octets: Uint8Array): Promise<Answer> {
    const session = this.#session;
    if (session === undefined) return { refusal: "no handshake", code: errors.illegalState };
    try {
      const reply: SASLReply = this.#begun
        ? await session.respond(octets)
        : await session.initiate(this.#mechanism, octets);
      this.#begun = reply.state === "challenge";
      return { octets: reply.payload };
    } catch (error) {
      this.#begun = false;
      if (!isSASLError(error)) throw error;
      return { refusal: "Authentication failed" };
    }
  }
}

const int16 = (value: number): Buffer => {
  const octets = Buffer.alloc(2);
  octets.writeInt16BE(value);
  return octets;
};

const int32 = (value: number): Buffer => {
  const octets = Buffer.alloc(4);
  octets.writeInt32BE(value);
  return octets;
};

const string = (text: string): Buffer => Buffer.concat([int16(Buffer.byteLength(text)), Buffer.from(text)]);

const bytes = (octets: Uint8Array | undefined): Buffer =>
  octets === undefined ? int32(-1) : Buffer.concat([int32(octets.length), octets]);
