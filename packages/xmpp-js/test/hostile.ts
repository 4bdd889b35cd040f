/**
 * A server that says what a test says, over TLS from the first octet.
 *
 * @module
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { cert, key } from "./certificate.js";

/** One connection, from the server's end. */
export class Peer {
  readonly #socket: TLSSocket;
  readonly #chunks: AsyncIterator<Buffer>;
  #text = "";

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    this.#chunks = socket[Symbol.asyncIterator]();
  }

  /** Reads on until this matches, and drops what was read so far. @returns the match; the text and no groups at the end. */
  async read(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match) {
        this.#text = this.#text.slice(match.index + match[0].length);
        return match;
      }
      const { value, done } = await this.#chunks.next();
      if (done) throw new Error("the client is gone");
      this.#text += String(value);
    }
  }

  say(...xml: string[]): void {
    this.#socket.write(xml.join(""));
  }

  /** The header of a stream, and features. */
  async open(...features: string[]): Promise<void> {
    await this.read(/<stream:stream[^>]*>/);
    this.say(header, `<stream:features>${features.join("")}</stream:features>`);
  }

  /** Until the client leaves. */
  async farewell(): Promise<void> {
    await this.read(/<\/stream:stream>/);
    this.#socket.end("</stream:stream>");
  }

  close(): void {
    this.#socket.destroy();
  }
}

export const header =
  "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' " +
  "id='1' from='localhost' version='1.0'>";

export interface Hostile {
  readonly url: string;
  /** Rejects with what a script threw, but for the end of a connection. */
  readonly scripts: Promise<void>[];
  close(): void;
}

/** @param script run for each connection; it may be left by the client at any time. */
export async function hostile(script: (peer: Peer) => Promise<void>): Promise<Hostile> {
  const scripts: Promise<void>[] = [];
  const sockets = new Set<TLSSocket>();
  const server = createServer({ key, cert }, (socket) => {
    sockets.add(socket.on("error", () => {}));
    scripts.push(script(new Peer(socket)).catch(() => {}));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `xmpps://127.0.0.1:${(server.address() as AddressInfo).port}`,
    scripts,
    close() {
      for (const each of sockets) each.destroy();
      server.close();
    },
  };
}

export const SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
export const SASL2 = "xmlns='urn:xmpp:sasl:2'";
export const bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>";
export const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** The features of either profile with these mechanisms. */
export function offer(profile: "sasl1" | "sasl2", ...names: string[]): string {
  const list = names.map((name) => `<mechanism>${name}</mechanism>`).join("");
  return profile === "sasl1"
    ? `<mechanisms ${SASL}>${list}</mechanisms>`
    : `<authentication ${SASL2}>${list}</authentication>`;
}

/** The first message of a SCRAM server, to the client's first in this element. */
export function serverFirst(message: string, iterations = 4096): string {
  const nonce = /r=([^,]*)/.exec(Buffer.from(message, "base64").toString())?.[1];
  return base64(`r=${nonce}server,s=${base64("salt and pepper.")},i=${iterations}`);
}

/** `success` of either profile, with this data. */
export function success(profile: "sasl1" | "sasl2", data?: string, jid = "alice@localhost"): string {
  if (profile === "sasl1") return `<success ${SASL}>${data === undefined ? "" : base64(data)}</success>`;
  const additional = data === undefined ? "" : `<additional-data>${base64(data)}</additional-data>`;
  return `<success ${SASL2}>${additional}<authorization-identifier>${jid}</authorization-identifier></success>`;
}

/** Binds whoever asks. */
export async function bindAll(peer: Peer): Promise<void> {
  const [, id] = await peer.read(/<iq[^>]* id="([^"]*)"[^>]*><bind.*?<\/iq>/);
  peer.say(
    `<iq type='result' id='${id}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>alice@localhost/r</jid></bind></iq>`,
  );
}
