/**
 * Kerberos for tests: no KDC, no times and no ciphers worth the name, but every message is proved, numbered and bound as
 * the real one does it, and each of its services can be left out.
 *
 * @module
 */
import { sha256 } from "../src/digests.js";
import { concatBytes, equalBytes } from "../src/internal/bytes.js";
import { decodeUtf8, encodeUtf8 } from "../src/internal/text.js";
import { addTokenHeader, removeTokenHeader } from "../src/mechanisms/gssapi/der.js";
import {
  type GssAcceptOptions,
  type GssContext,
  type GssFacts,
  type GssFlags,
  type GssInitiateOptions,
  type GssProvider,
  type GssStep,
  type GssUnwrapped,
  krb5Oid,
} from "../src/mechanisms/gssapi/provider.js";

/** What a toy realm does otherwise than a good one. */
export interface ToyOptions {
  /** Flags that contexts come out with, whatever was asked for. */
  readonly flags?: Partial<GssFlags>;
  /** Mechanism that a context says it is of. */
  readonly mechanism?: string;
  /** Mechanisms there are, all of them alike. */
  readonly mechanisms?: readonly string[];
  /** Mechanisms with an acceptor credential. Default: all. */
  readonly accepts?: readonly string[];
  readonly bindsChannels?: boolean;
  readonly protectsData?: boolean;
  /** Strength of confidentiality. */
  readonly ssf?: number;
  /** Acceptors answer and initiators then send one token more: a mechanism with three messages. */
  readonly threeWay?: boolean;
  /** The first token has no standard header. */
  readonly bare?: boolean;
  /** Acceptors remember what they have seen (RFC 4120 §3.2.3). */
  readonly replayCache?: boolean;
  /** Local names of initiators. */
  readonly localNames?: Readonly<Record<string, string>>;
  /** Who has a ticket that is good; everybody else has one that nobody accepts. Default tim. */
  readonly ticketFor?: string;
}

/** What was asked of a provider. */
export interface ToyLog {
  readonly initiated: GssInitiateOptions[];
  readonly accepted: GssAcceptOptions[];
  /** Contexts that were made and are still held. */
  held: number;
}

const realmKey = encodeUtf8("the key all services of this realm share");
const wrongKey = encodeUtf8("some other key");

const mac = async (key: Uint8Array, ...parts: readonly (Uint8Array | string)[]): Promise<Uint8Array> =>
  sha256.hmac(key, concatBytes(...parts.map((part) => (typeof part === "string" ? encodeUtf8(part) : part))));

let serial = 0;

/** A realm with one service for everything; both ends of a test have the same. */
export function toyKerberos(options: ToyOptions = {}): GssProvider & { readonly log: ToyLog } {
  const { mechanisms = [krb5Oid], ticketFor = "tim" } = options;
  const log: ToyLog = { initiated: [], accepted: [], held: 0 };
  const seen = new Set<string>();
  return {
    log,
    bindsChannels: options.bindsChannels ?? true,
    protectsData: options.protectsData ?? true,
    canAccept: (mechanism) => (options.accepts ?? mechanisms).includes(mechanism),
    initiate(request) {
      if (!mechanisms.includes(request.mechanism)) throw new Error("no such mechanism");
      log.initiated.push(request);
      log.held++;
      const { principal = ticketFor } = request;
      const key = principal === ticketFor ? realmKey : wrongKey;
      return new ToyContext(log, new Initiator(options, request, principal, key));
    },
    accept(request) {
      if (!mechanisms.includes(request.mechanism)) throw new Error("no such mechanism");
      log.accepted.push(request);
      log.held++;
      return new ToyContext(log, new Acceptor(options, request, seen));
    },
  };
}

/** What one side of a handshake comes to. */
interface Side {
  readonly initiates: boolean;
  step(token: Uint8Array | undefined): Promise<GssStep>;
  established: { readonly key: Uint8Array; readonly facts: GssFacts } | undefined;
}

interface Request {
  readonly user: string;
  readonly target: string;
  readonly flags: GssFlags;
  readonly binding: string;
  readonly serial: number;
}

function factsOf(options: ToyOptions, { user, flags }: Request, mechanism: string): GssFacts {
  return {
    mechanism: options.mechanism ?? mechanism,
    flags: { ...flags, ...options.flags },
    initiator: `${user}@EXAMPLE.COM`,
    localName: options.localNames ? options.localNames[user] : user,
    ssf: options.ssf ?? 256,
  };
}

const bindingText = (data: Uint8Array | undefined): string => (data ? [...data].join(" ") : "");
const macLength = 32;

class Initiator implements Side {
  readonly initiates = true;
  readonly #options: ToyOptions;
  readonly #mechanism: string;
  readonly #key: Uint8Array;
  readonly #request: Request;
  #sent: Uint8Array | undefined;
  established: Side["established"];

  constructor(options: ToyOptions, request: GssInitiateOptions, user: string, key: Uint8Array) {
    const { target, flags, channelBinding } = request;
    this.#options = options;
    this.#mechanism = request.mechanism;
    this.#key = key;
    this.#request = { user, target, flags, binding: bindingText(channelBinding), serial: 1e6 + serial++ };
  }

  async step(token: Uint8Array | undefined): Promise<GssStep> {
    const { threeWay, bare } = this.#options;
    if (this.#sent === undefined) {
      const body = encodeUtf8(JSON.stringify(this.#request));
      const inner = concatBytes(Uint8Array.of(1, 0), body, await mac(this.#key, this.#mechanism, body));
      this.#sent = inner;
      if (!this.#request.flags.mutual) await this.#establish(new Uint8Array(0));
      return { token: bare ? inner : addTokenHeader(this.#mechanism, inner), done: !this.#request.flags.mutual };
    }
    if (token?.[0] !== 2 || token[1] !== 0 || token.length !== 2 + 16 + macLength) throw new Error("no AP-REP");
    const nonce = token.subarray(2, 18);
    if (!equalBytes(token.subarray(18), await mac(this.#key, this.#sent, nonce))) throw new Error("a wrong AP-REP");
    await this.#establish(nonce);
    return threeWay ? { token: await mac(this.#key, "third", this.#sent), done: true } : { done: true };
  }

  async #establish(nonce: Uint8Array): Promise<void> {
    const key = await mac(this.#key, "session", this.#sent as Uint8Array, nonce);
    this.established = { key, facts: factsOf(this.#options, this.#request, this.#mechanism) };
  }
}

class Acceptor implements Side {
  readonly initiates = false;
  readonly #options: ToyOptions;
  readonly #accept: GssAcceptOptions;
  readonly #seen: Set<string>;
  #heard: Uint8Array | undefined;
  established: Side["established"];

  constructor(options: ToyOptions, accept: GssAcceptOptions, seen: Set<string>) {
    this.#options = options;
    this.#accept = accept;
    this.#seen = seen;
  }

  async step(token: Uint8Array | undefined): Promise<GssStep> {
    const { threeWay, bare, replayCache } = this.#options;
    const { mechanism, target, channelBinding } = this.#accept;
    if (this.#heard) {
      if (!token || !equalBytes(token, await mac(realmKey, "third", this.#heard))) throw new Error("a wrong token");
      return { done: true };
    }
    const inner = bare ? token : token && removeTokenHeader(mechanism, token);
    if (inner?.[0] !== 1 || inner[1] !== 0 || inner.length < 2 + macLength) throw new Error("no AP-REQ");
    const body = inner.subarray(2, -macLength);
    if (!equalBytes(inner.subarray(-macLength), await mac(realmKey, mechanism, body))) throw new Error("a wrong key");
    const request: Request = JSON.parse(decodeUtf8(body));
    if (target !== undefined && request.target !== target) throw new Error("a ticket for another service");
    if (request.binding !== bindingText(channelBinding)) throw new Error("wrong channel bindings");
    const id = [...inner.subarray(-macLength)].join(" ");
    if (replayCache && this.#seen.has(id)) throw new Error("a replay");
    this.#seen.add(id);
    this.#heard = Uint8Array.from(inner);
    const nonce = request.flags.mutual ? (await mac(realmKey, `nonce ${serial++}`)).subarray(0, 16) : new Uint8Array(0);
    const key = await mac(realmKey, "session", inner, nonce);
    this.established = { key, facts: factsOf(this.#options, request, mechanism) };
    if (!request.flags.mutual) return { done: true };
    const reply = concatBytes(Uint8Array.of(2, 0), nonce, await mac(realmKey, inner, nonce));
    return { token: reply, done: !threeWay };
  }
}

const overhead = 1 + 4 + macLength;

class ToyContext implements GssContext {
  readonly #log: ToyLog;
  readonly #side: Side;
  readonly #numbers = { sent: 0, heard: 0 };
  #disposed = false;

  constructor(log: ToyLog, side: Side) {
    this.#log = log;
    this.#side = side;
  }

  step(token: Uint8Array | undefined): Promise<GssStep> {
    return this.#side.step(token);
  }

  facts(): GssFacts {
    return this.#established.facts;
  }

  get #established(): NonNullable<Side["established"]> {
    if (this.#disposed || !this.#side.established) throw new Error("no context");
    return this.#side.established;
  }

  async wrap(plain: Uint8Array, confidential: boolean): Promise<Uint8Array> {
    const head = this.#head(this.#numbers.sent++, confidential);
    const body = confidential ? plain.map((octet) => octet ^ 0x5a) : plain;
    return concatBytes(head, body, await this.#mac(this.#side.initiates, head, body));
  }

  async unwrap(token: Uint8Array): Promise<GssUnwrapped> {
    if (token.length < overhead) throw new Error("a short token");
    const [sealed] = token;
    if (sealed !== 0 && sealed !== 1) throw new Error("no such token");
    const head = this.#head(this.#numbers.heard, sealed === 1);
    const body = token.subarray(head.length, -macLength);
    const right = await this.#mac(!this.#side.initiates, head, body);
    if (!equalBytes(right, token.subarray(-macLength)) || !equalBytes(head, token.subarray(0, head.length)))
      throw new Error("a token that does not verify, or out of order");
    this.#numbers.heard++;
    return { plain: body.map((octet) => (sealed ? octet ^ 0x5a : octet)), confidential: sealed === 1 };
  }

  wrapSizeLimit(maxToken: number): number {
    return Math.max(0, maxToken - overhead);
  }

  getMic(message: Uint8Array): Promise<Uint8Array> {
    return this.#mac(this.#side.initiates, "mic", message);
  }

  async verifyMic(message: Uint8Array, mic: Uint8Array): Promise<void> {
    if (!equalBytes(mic, await this.#mac(!this.#side.initiates, "mic", message))) throw new Error("a wrong MIC");
  }

  dispose(): void {
    if (this.#disposed) throw new Error("disposed of twice");
    this.#disposed = true;
    this.#log.held--;
  }

  #head(number: number, sealed: boolean): Uint8Array {
    return Uint8Array.of(sealed ? 1 : 0, number >>> 24, number >>> 16, number >>> 8, number);
  }

  #mac(byInitiator: boolean, ...parts: readonly (Uint8Array | string)[]): Promise<Uint8Array> {
    return mac(this.#established.key, byInitiator ? "initiator" : "acceptor", ...parts);
  }
}
