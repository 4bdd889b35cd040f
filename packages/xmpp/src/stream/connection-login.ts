/**
 * Authentication on a server's connection: what is offered in each of its streams, attempts in both profiles, and who may
 * come in. Source: RFC 6120 §6, XEP-0388 §2.
 *
 * @module
 */
import {
  isSASLError,
  SASLFailure,
  type SASLServerSession,
  type SecurityLayer,
  type ServerConnection,
  type ServerResult,
  saslError,
} from "sasl-core";
import { announce, announcedTypes } from "../discovery.js";
import { isElement } from "../element.js";
import { formatFailure } from "../errors.js";
import { normalizeDomain, parseJid } from "../jid.js";
import { NS_SASL, NS_SASL2, NS_TLS } from "../namespaces.js";
import { bareJidOf, type SASL2ServeOutcome } from "../sasl2/exchange.js";
import { SASL2Stream } from "../sasl2/server.js";
import { serve, type XMPPServeOutcome } from "../server.js";
import type { ElementTransport } from "../transport.js";
import { StreamViolation } from "./conditions.js";
import type { SecuredChannel, XMPPConnectionOptions, XMPPConnectionParts } from "./connection-options.js";

const DEFAULT_ATTEMPTS = 6;

/** How a client came in: what goes on after it. */
export interface Login extends Pick<Extract<SASL2ServeOutcome, { ok: true }>, "resource" | "resumed" | "userAgent"> {
  readonly profile: "sasl1" | "sasl2";
}

/** One connection's. Tell it of each stream and of TLS, ask it for what to offer, and give it the elements of SASL. */
export class ConnectionLogin<E> {
  readonly #parts: XMPPConnectionParts<E>;
  readonly #options: XMPPConnectionOptions<E>;
  readonly #send: (element: E) => Promise<void>;
  #secure: boolean;
  #channel: SecuredChannel;
  #host = "";
  /** Local part of whom the header of the stream names, at this host. */
  #named: string | undefined;
  #session: SASLServerSession | undefined;
  #result: ServerResult | undefined;
  /** SASL2 in the stream as it is now; `undefined` where it is not spoken. */
  #sasl2: SASL2Stream<E> | undefined;
  /** What SCRAM vouches for (XEP-0474). */
  #announced: ServerConnection["announced"];
  /** What the server could do, and was not announced in this stream to this account. */
  #withheld: ReadonlySet<string> = new Set();
  #failures = 0;

  /**
   * @param send an element of the stream as it is.
   * @throws {RangeError} for a number of attempts out of its range.
   * @throws {TypeError} when offers are to be made by account, and the server cannot.
   */
  constructor(parts: XMPPConnectionParts<E>, options: XMPPConnectionOptions<E>, send: (element: E) => Promise<void>) {
    const { maxAttempts: attempts = DEFAULT_ATTEMPTS, offerByAccount, server } = options;
    if (offerByAccount && !server.mechanismsFor) throw new TypeError("the server has no mechanismsFor");
    if (!Number.isInteger(attempts) || attempts < 3 || attempts > 6) throw new RangeError("maxAttempts is 3 to 6");
    this.#parts = parts;
    this.#options = options;
    this.#send = send;
    this.#secure = parts.secure;
    this.#channel = parts;
  }

  /** Set once the client has authenticated. */
  get result(): ServerResult | undefined {
    return this.#result;
  }

  /** Attempts that failed. */
  get failures(): number {
    return this.#failures;
  }

  /** Whether the connection is protected at present. */
  get secure(): boolean {
    return this.#secure;
  }

  get remote(): string | undefined {
    return this.#channel.remote ?? this.#parts.remote;
  }

  /** Bare JID of who has authenticated. */
  get jid(): string {
    return bareJidOf((this.#result as ServerResult).authzid, this.#host);
  }

  /** Whether nothing but STARTTLS may be done now (R-XMPP-01). */
  get #tlsFirst(): boolean {
    return !this.#secure && this.#parts.startTLS !== undefined && this.#options.requireTLS !== false;
  }

  /** TLS has begun: nothing from before counts. */
  secured(channel: SecuredChannel): void {
    this.#channel = channel;
    this.#secure = true;
    this.#session = undefined;
  }

  /** A stream to this host has begun, whose header has this `from`. */
  begin(host: string, from: string | undefined): void {
    const { sasl2 } = this.#options;
    const { adapter } = this.#parts;
    const jid = from === undefined ? undefined : parseJid(from);
    this.#host = host;
    this.#named = jid?.domain === normalizeDomain(host) ? jid?.local : undefined;
    const bindingTypes = this.#channel.channelBinding?.types;
    this.#sasl2 =
      sasl2 === false || this.#result ? undefined : new SASL2Stream({ adapter, host, from, bindingTypes }, sasl2);
  }

  /** Children of the features of a stream whose client is not known yet. */
  async offers(): Promise<readonly E[]> {
    const { adapter, startTLS } = this.#parts;
    const offers: E[] = [];
    if (startTLS && !this.#secure) {
      offers.push(adapter.create("starttls", NS_TLS, {}, this.#tlsFirst ? [adapter.create("required", NS_TLS)] : []));
    }
    if (this.#tlsFirst) return offers;
    const all = this.#options.server.mechanisms(this.#connection);
    const own = await this.#ownOf(all);
    // Whoever has nothing but tokens is not shown nothing, which tells something, but everything.
    const mechanisms = (await this.#announce(own, all)) ?? (await this.#announce(all, all)) ?? [];
    return [...offers, ...mechanisms];
  }

  /** Of what can be offered, what the account gets that the header names; it need not be there (R-SA2-06). */
  async #ownOf(all: readonly string[]): Promise<readonly string[]> {
    const { server, offerByAccount, onError } = this.#options;
    if (!offerByAccount || this.#named === undefined) return all;
    try {
      return (await server.mechanismsFor?.(this.#named, this.#connection)) ?? all;
    } catch (error) {
      // The login will say so, where it needs the account; one with a certificate or a token need not.
      if (!isSASLError(error) || error.code === "temporary") void (async () => onError?.(error))().catch(() => {});
      return all;
    }
  }

  /** Offers these of all in both profiles, as the same list. @returns `undefined` when they are none but inline features'. */
  async #announce(mechanisms: readonly string[], all: readonly string[]): Promise<readonly E[] | undefined> {
    const sasl2 = (await this.#sasl2?.announce(mechanisms)) ?? [];
    const others = mechanisms.filter((name) => !this.#sasl2?.reserves(name));
    this.#withheld = new Set(all.filter((name) => !others.includes(name)));
    if (others.length === 0) return undefined;
    const bindingTypes = this.#channel.channelBinding?.types;
    const sasl1 = announce(others, this.#parts.adapter, { bindingTypes });
    // R-SSDP-02: of both profiles, for their lists are the same.
    this.#announced = { mechanisms: others, bindingTypes: announcedTypes(others, bindingTypes) };
    return this.#secure ? [...sasl1, ...sasl2] : sasl1; // R-SA2-01
  }

  /** Whether elements of this namespace belong to it, in the stream as it is now. */
  speaks(namespace: string): boolean {
    return namespace === NS_SASL || (namespace === NS_SASL2 && this.#sasl2 !== undefined);
  }

  /**
   * Runs what an element begins: one exchange, or several that discard each other.
   *
   * @returns how the client came in; `undefined` when it has to try again.
   * @throws {StreamViolation} what the stream has to end with, after too many attempts among others.
   */
  take(element: E): Promise<Login | undefined> {
    const stream = this.#parts.adapter.namespace(element) === NS_SASL2 ? this.#sasl2 : undefined;
    return stream ? this.#takeSASL2(stream, element) : this.#takeSASL1(element);
  }

  /** Time for tasks beside that of the login, in milliseconds. */
  get extraMs(): number {
    return this.#sasl2?.extraMs ?? 0;
  }

  /** The connection ends while the client is at it. */
  abort(reason: SASLFailure): void {
    void this.#session?.abort(reason);
  }

  get #connection(): ServerConnection {
    const { channelBinding, external, externalSsf, policy } = this.#channel;
    const [secure, host, remote] = [this.#secure, this.#host, this.remote];
    const [layers, successData] = [this.#parts.framing.protect !== undefined, true];
    const tells = this.#options.downgradeProtection !== false;
    const [announced, tlsVersion] = tells ? [this.#announced, this.#channel.tlsVersion] : [];
    const admit: ServerConnection["admit"] = (...done) => this.#admit(...done);
    const about = { secure, host, channelBinding, tlsVersion, announced, external, externalSsf };
    return { ...about, layers, policy, remote, admit, successData };
  }

  async #takeSASL1(element: E): Promise<Login | undefined> {
    if (this.#sasl2?.over) throw new StreamViolation("policy-violation", "SASL after a continue");
    for (let next: E | undefined = element; next !== undefined; ) {
      const outcome: XMPPServeOutcome<E> = await this.#exchange(next);
      if (outcome.ok) return { profile: "sasl1", resource: undefined, resumed: false, userAgent: {} };
      this.#count();
      next = outcome.next;
    }
    return undefined;
  }

  async #exchange(element: E): Promise<XMPPServeOutcome<E>> {
    const { server, maxMessageBytes } = this.#options;
    if (this.#tlsFirst) {
      const error = new SASLFailure("channel-not-protected", "STARTTLS comes first");
      return this.#refuse(server.session(this.#connection), element, error);
    }
    this.#session ??= server.session(this.#connection);
    const session = this.#session;
    const { adapter } = this.#parts;
    const mechanism = adapter.attribute(element, "mechanism") ?? "";
    // R-SA2-03, and as much in SASL1: an inline feature's, or none of this account's.
    if (isElement(adapter, element, "auth", NS_SASL) && this.#withheld.has(mechanism)) {
      const error = new SASLFailure("mechanism-unsupported", "not announced on this stream");
      return this.#refuse(session, element, error);
    }
    const outcome = await serve(this.#transport(NS_SASL), session, element, { maxMessageBytes });
    if (outcome.ok) this.#result = session.result;
    return outcome;
  }

  async #refuse(session: SASLServerSession, element: E, error: SASLFailure): Promise<XMPPServeOutcome<E>> {
    const { adapter } = this.#parts;
    session.refuse(adapter.attribute(element, "mechanism") ?? "", error);
    await this.#send(formatFailure(error, adapter));
    return { ok: false, error };
  }

  async #takeSASL2(stream: SASL2Stream<E>, element: E): Promise<Login | undefined> {
    const { server, maxMessageBytes } = this.#options;
    this.#session ??= server.session(this.#connection);
    const session = this.#session;
    const outcome = await stream.serve(this.#transport(NS_SASL2), session, element, { maxMessageBytes });
    if (!outcome.ok) {
      this.#count();
      return undefined;
    }
    this.#result = session.result;
    return { ...outcome, profile: "sasl2" };
  }

  /** RFC 6120 §6.4.5 */
  #count(): void {
    const { maxAttempts = DEFAULT_ATTEMPTS } = this.#options;
    if (++this.#failures >= maxAttempts) {
      throw new StreamViolation("policy-violation", "too many attempts to authenticate");
    }
  }

  /**
   * An account of this stream's host, or none (R-XMPP-18). Names are local parts (`bareJid`), or whole JIDs where accounts
   * of several hosts are held apart.
   */
  #admit(...[result, ...more]: Parameters<NonNullable<ServerConnection["admit"]>>): Promise<void> | undefined {
    const { authzid } = result;
    const jid = parseJid(authzid.includes("@") ? authzid : `${authzid}@${this.#host}`);
    // The account "localhost/x" would be the host itself.
    if (jid?.local === undefined || jid.resource !== undefined || jid.domain !== normalizeDomain(this.#host)) {
      throw saslError("authorization-refused", "no account of this host");
    }
    return this.#sasl2?.admit(result, ...more);
  }

  /** The stream during an exchange: elements of its namespace and nothing else. */
  #transport(namespace: string): ElementTransport<E> {
    const { adapter, framing } = this.#parts;
    return {
      adapter,
      secure: this.#secure,
      protect: framing.protect && ((layer) => this.#protect(layer)),
      send: this.#send,
      receive: async () => {
        const event = await framing.next();
        if (event.type === "close") throw new SASLFailure("connection-lost", "the client closed the stream");
        if (event.type === "element" && adapter.namespace(event.element) === namespace) return event.element;
        throw new StreamViolation("not-authorized", "an element before authentication"); // R-XMPP-13, R-SA2-08
      },
    };
  }

  #protect(layer: SecurityLayer): void {
    this.#parts.framing.protect?.(layer);
    this.#secure ||= layer.ssf > 1;
  }
}
