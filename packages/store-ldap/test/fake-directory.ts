/**
 * A directory in this process that can be made to answer anything. Reads requests and writes answers with the BER of
 * ldapts; entries are matched by ldapts' own filters.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import { BerReader, BerWriter, EqualityFilter, type Filter, FilterParser } from "ldapts";

export interface FakeEntry {
  readonly dn: string;
  readonly password?: string;
  readonly attributes: Readonly<Record<string, readonly (string | Buffer)[]>>;
}

export type Request =
  | { readonly type: "bind"; readonly id: number; readonly dn: string; readonly password: string }
  | {
      readonly type: "search";
      readonly id: number;
      readonly base: string;
      readonly scope: number;
      readonly sizeLimit: number;
      readonly filter: Filter;
      readonly attributes: readonly string[];
    }
  | { readonly type: "extended"; readonly id: number; readonly oid: string }
  | { readonly type: "unbind"; readonly id: number };

/** What to send instead of the usual; `undefined` for the usual, an empty list for silence. */
export type Script = (request: Request, socket: Socket) => readonly Buffer[] | undefined | Promise<readonly Buffer[]>;

export const LDAP = { bind: 0x61, entry: 0x64, done: 0x65, reference: 0x73, extended: 0x78 } as const;

/** A message of any kind: the parts are written by `parts`. */
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

export function result(id: number, operation: number, code: number, referral?: string): Buffer {
  return message(id, operation, (writer) => {
    writer.writeEnumeration(code);
    writer.writeString("");
    writer.writeString("said by the directory");
    if (referral !== undefined) {
      writer.startSequence(0xa3);
      writer.writeString(referral);
      writer.endSequence();
    }
  });
}

export function entryMessage(id: number, entry: FakeEntry, wanted: readonly string[]): Buffer {
  return message(id, LDAP.entry, (writer) => {
    writer.writeString(entry.dn);
    writer.startSequence();
    for (const [type, values] of Object.entries(entry.attributes)) {
      if (!wanted.some((each) => each.toLowerCase() === type.toLowerCase())) continue;
      writer.startSequence();
      writer.writeString(type);
      writer.startSequence(0x31);
      for (const each of values) {
        if (typeof each === "string") writer.writeString(each);
        else writer.writeBuffer(each, 0x04);
      }
      writer.endSequence();
      writer.endSequence();
    }
    writer.endSequence();
  });
}

export class FakeDirectory {
  readonly requests: Request[] = [];
  readonly sockets = new Set<Socket>();
  /** Connections ever made. */
  connections = 0;
  script: Script = () => undefined;
  readonly #entries: readonly FakeEntry[];
  readonly #tls: { readonly cert: string; readonly key: string } | undefined;
  #server: Server | undefined;
  #port = 0;

  constructor(entries: readonly FakeEntry[], tls?: { readonly cert: string; readonly key: string }) {
    this.#entries = entries;
    this.#tls = tls;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `ldap://127.0.0.1:${this.#port}/ou=people,dc=example`;
  }

  binds(): { readonly dn: string; readonly password: string }[] {
    return this.requests.filter((each) => each.type === "bind").map(({ dn, password }) => ({ dn, password }));
  }

  searches(): Extract<Request, { type: "search" }>[] {
    return this.requests.filter((each) => each.type === "search");
  }

  async start(): Promise<void> {
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const each of this.sockets) each.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    this.connections++;
    this.sockets.add(socket);
    socket.setNoDelay(true); // an answer of two messages is two writes
    socket.on("close", () => this.sockets.delete(socket));
    socket.on("error", () => {});
    this.serve(socket);
  }

  serve(socket: Socket): void {
    let rest: Buffer = Buffer.alloc(0);
    let turn = Promise.resolve();
    const hear = (octets: Buffer): void => {
      rest = Buffer.concat([rest, octets]);
      for (;;) {
        const reader = new BerReader(rest);
        if (reader.readSequence() === null || reader.remain < reader.length) return;
        const end = reader.offset + reader.length;
        let request: Request;
        try {
          request = readRequest(reader);
        } catch {
          return; // TLS, where a script did not begin it: silence
        }
        rest = rest.subarray(end);
        this.requests.push(request);
        turn = turn.then(() => this.#answer(request, socket, () => socket.off("data", hear)));
      }
    };
    socket.on("data", hear);
  }

  async #answer(request: Request, socket: Socket, leave: () => void): Promise<void> {
    const scripted = await this.script(request, socket);
    for (const each of scripted ?? this.#usual(request)) if (!socket.destroyed) socket.write(each);
    if (request.type === "extended" && scripted === undefined && this.#tls !== undefined) {
      leave();
      const secured = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(this.#tls) });
      secured.on("error", () => {});
      this.serve(secured);
    }
    if (request.type === "unbind") socket.end();
  }

  #usual(request: Request): readonly Buffer[] {
    switch (request.type) {
      case "bind": {
        const entry = this.#entries.find((each) => each.dn === request.dn);
        const right = request.password === "" || (entry?.password !== undefined && entry.password === request.password);
        return [result(request.id, LDAP.bind, right ? 0 : 49)]; // an empty password "succeeds" (RFC 4513 §5.1.2)
      }
      case "search": {
        const found = this.#entries.filter((each) =>
          request.scope === 0
            ? each.dn === request.base
            : each.dn.endsWith(request.base) && matches(request.filter, each),
        );
        const { id, sizeLimit, attributes } = request;
        const shown = found.slice(0, sizeLimit).map((each) => entryMessage(id, each, attributes));
        if (request.scope === 0 && found.length === 0) return [result(id, LDAP.done, 32)];
        return [...shown, result(id, LDAP.done, found.length > sizeLimit ? 4 : 0)];
      }
      case "extended":
        return [result(request.id, LDAP.extended, this.#tls === undefined ? 2 : 0)];
      case "unbind":
        return [];
    }
  }
}

/** Equality alone, octet by octet. */
function matches(filter: Filter, entry: FakeEntry): boolean {
  if (!(filter instanceof EqualityFilter)) return filter.matches({});
  return entry.attributes[filter.attribute]?.includes(String(filter.value)) ?? false;
}

function readRequest(reader: BerReader): Request {
  const id = reader.readInt() ?? 0;
  const operation = reader.readSequence();
  switch (operation) {
    case 0x60:
      reader.readInt();
      return { type: "bind", id, dn: reader.readString() ?? "", password: reader.readString(0x80) ?? "" };
    case 0x63: {
      const base = reader.readString() ?? "";
      const scope = reader.readEnumeration() ?? 0;
      reader.readEnumeration();
      const sizeLimit = reader.readInt() ?? 0;
      reader.readInt();
      reader.readBoolean();
      const filter = FilterParser.parse(reader);
      reader.readSequence();
      const attributes: string[] = [];
      for (const end = reader.offset + reader.length; reader.offset < end; ) attributes.push(reader.readString() ?? "");
      return { type: "search", id, base, scope, sizeLimit, filter, attributes };
    }
    case 0x77:
      return { type: "extended", id, oid: reader.readString(0x80) ?? "" };
    default:
      return { type: "unbind", id };
  }
}
