/**
 * The server end of a client's connection, from its first octet until it has authenticated: headers, features, STARTTLS,
 * SASL with a bounded number of attempts, stream errors, restart. What comes after is the application's.
 * Source: RFC 6120 §4, §5, §6.
 *
 * @module
 */
import {
  isSASLError,
  type SASLErrorCode,
  SASLFailure,
  type SASLServerSession,
  type SecurityLayer,
  type ServerConnection,
  type ServerResult,
  saslError,
} from "sasl-core";
import { announce, announcedTypes } from "../discovery.js";
import { type Attributes, isElement } from "../element.js";
import { formatFailure } from "../errors.js";
import { formatJid, normalizeDomain, parseJid } from "../jid.js";
import { NS_SASL, NS_SASL2, NS_STREAM, NS_TLS } from "../namespaces.js";
import { bareJidOf, type SASL2ServeOutcome } from "../sasl2/exchange.js";
import { SASL2Stream } from "../sasl2/server.js";
import { serve, type XMPPServeOutcome } from "../server.js";
import type { ElementTransport } from "../transport.js";
import { failureOf, formatStreamError, isStreamError, type StreamCondition, StreamViolation } from "./conditions.js";
import type { SecuredChannel, XMPPConnectionOptions, XMPPConnectionParts } from "./connection-options.js";

const DEFAULT_ATTEMPTS = 6;
const DEFAULT_LOGIN_TIMEOUT_MS = 60_000;

/** One connection. Make it, then `run()` it. It can be put into a `Sweep` of `sasl-lines`, which ends it when its time is up. */
export class XMPPConnection<E> {
  /** When it began, in milliseconds of `Date.now()`; for a sweep that ends those which take too long. */
  readonly since: number = Date.now();
  readonly #parts: XMPPConnectionParts<E>;
  readonly #options: XMPPConnectionOptions<E>;
  #secure: boolean;
  #channel: SecuredChannel;
  #session: SASLServerSession | undefined;
  #result: ServerResult | undefined;
  /** SASL2 in the stream as it is now; `undefined` where it is not spoken. */
  #sasl2: SASL2Stream<E> | undefined;
  /** What came with a login by SASL2. */
  #login: Pick<Extract<SASL2ServeOutcome, { ok: true }>, "resource" | "resumed" | "userAgent"> | undefined;
  #host: string | undefined;
  /** What SCRAM vouches for (XEP-0474). */
  #announced: ServerConnection["announced"];
  #failures = 0;
  #headerSent = false;
  #closed = false;
  /** Why the connection ends, as soon as that is known. */
  #reason: SASLErrorCode | undefined;
  /** Set while TLS begins. */
  #handshake: AbortController | undefined;
  /** When the last element after the login was taken. */
  #takenAt = 0;

  /** @throws {RangeError} for no host, a host that is no domain, or a number out of its range. */
  constructor(parts: XMPPConnectionParts<E>, options: XMPPConnectionOptions<E>) {
    const { maxAttempts: attempts = DEFAULT_ATTEMPTS, loginTimeoutMs = 1, idleTimeoutMs = 1, hosts } = options;
    if (!Number.isInteger(attempts) || attempts < 3 || attempts > 6) throw new RangeError("maxAttempts is 3 to 6");
    if (!(loginTimeoutMs >= 1 && idleTimeoutMs >= 1)) throw new RangeError("time limits are at least 1");
    if (hosts.length === 0 || hosts.some((host) => normalizeDomain(host) === undefined)) {
      throw new RangeError("hosts are domain names, at least one");
    }
    this.#parts = parts;
    this.#options = options;
    this.#secure = parts.secure;
    this.#channel = parts;
    parts.framing.onLost = () => void this.#session?.abort(new SASLFailure("connection-lost", "the client is gone"));
  }

  /** Set once the client has authenticated. */
  get result(): ServerResult | undefined {
    return this.#result;
  }

  /** Talks to the client until the connection is over; resolves then, and never rejects. */
  async run(): Promise<void> {
    try {
      if (await this.#negotiate()) await this.#handOver();
      this.#end();
    } catch (error) {
      this.#reason ??= codeOf(error);
      if (error instanceof StreamViolation) this.#end(error.condition);
      else this.#end(isSASLError(error) ? undefined : "internal-server-error");
      void this.#report(error);
    } finally {
      this.#tell();
    }
  }

  /** Whether its time is up. @param now milliseconds of `Date.now()`. */
  expired(now: number): boolean {
    const { loginTimeoutMs = DEFAULT_LOGIN_TIMEOUT_MS, idleTimeoutMs } = this.#options;
    if (this.#result === undefined) return now - this.since > loginTimeoutMs;
    if (idleTimeoutMs === undefined) return false;
    return now - Math.max(this.#parts.framing.heardAt ?? 0, this.#takenAt) > idleTimeoutMs;
  }

  /** Ends it because its time is up. */
  expire(): void {
    this.#cut("connection-timeout", undefined, new SASLFailure("timed-out", "the client took too long"));
  }

  /** Ends the stream and the connection from outside, with a stream error if there is one to tell. */
  end(condition?: StreamCondition, text?: string): void {
    this.#cut(condition, text, new SASLFailure("aborted", "the server ended the stream"));
  }

  #cut(condition: StreamCondition | undefined, text: string | undefined, reason: SASLFailure): void {
    if (this.#closed) return;
    this.#reason ??= reason.code;
    void this.#session?.abort(reason);
    this.#handshake?.abort(); // first: the TLS socket has to go before the one below it
    this.#end(condition, text);
  }

  #end(condition?: StreamCondition, text?: string): void {
    if (this.#closed) return;
    this.#closed = true;
    const { framing } = this.#parts;
    if (condition !== undefined) {
      // RFC 6120 §4.9.1.2: an error goes into a stream, if need be into one opened for it.
      if (!this.#headerSent) this.#sendHeader(this.#options.hosts[0] as string);
      void framing.write(formatStreamError(condition, text));
    }
    if (this.#headerSent) framing.close();
    framing.end();
  }

  /** @returns false when the client left. */
  async #negotiate(): Promise<boolean> {
    const { framing, adapter } = this.#parts;
    if (!(await this.#openStream())) return false;
    for (;;) {
      const event = await framing.next();
      if (event.type === "close") return false;
      if (event.type === "open") throw new StreamViolation("bad-format", "a header inside a stream");
      const { element } = event;
      const namespace = adapter.namespace(element);
      if (namespace === NS_TLS) {
        if (!(await this.#startTLS(element)) || !(await this.#openStream())) return false;
      } else if (namespace === NS_SASL2 && this.#sasl2 !== undefined) {
        if (!(await this.#authenticate2(this.#sasl2, element))) continue;
        framing.proceed?.();
        if (!this.#login?.resumed) await this.#sendFeatures(); // R-SA2-11, XEP-0198 §9.2
        return true;
      } else if (namespace === NS_SASL) {
        if (this.#sasl2?.over) throw new StreamViolation("policy-violation", "SASL after a continue");
        if (!(await this.#authenticate(element))) continue;
        this.#headerSent = false;
        framing.restart(true); // R-XMPP-11
        return this.#openStream();
      } else if (isStreamError(element, adapter)) {
        return false;
      } else {
        // RFC 6120 §6.3.1, §4.9.3.12: nothing else before authentication.
        throw new StreamViolation("not-authorized", "an element before authentication");
      }
    }
  }

  /** Reads the client's header, answers it and sends features. */
  async #openStream(): Promise<boolean> {
    const event = await this.#parts.framing.next();
    if (event.type === "close") return false;
    if (event.type === "element") throw new StreamViolation("bad-format", "an element before the header");
    const { attributes, objection } = event.header;
    const { hosts } = this.#options;
    const asked = attributes.to ?? (this.#host as string | undefined) ?? (hosts[0] as string);
    const wanted = normalizeDomain(asked);
    const host = hosts.find((each) => normalizeDomain(each) === wanted);
    this.#sendHeader(host ?? (hosts[0] as string), attributes.from);
    if (objection) throw new StreamViolation(objection, "this is no stream of a client");
    if (!/^1\.\d{1,9}$/.test(attributes.version ?? "")) {
      throw new StreamViolation("unsupported-version", "the client does not speak XMPP 1.0"); // §4.9.3.25
    }
    if (host === undefined || (this.#host !== undefined && host !== this.#host)) {
      throw new StreamViolation("host-unknown", "not a host of this server, or another than before"); // §4.9.3.6, R-XMPP-12
    }
    this.#host = host;
    this.#checkFrom(attributes);
    this.#beginSASL2(host, attributes.from);
    await this.#sendFeatures();
    return true;
  }

  #beginSASL2(host: string, from: string | undefined): void {
    const { sasl2 } = this.#options;
    const { adapter } = this.#parts;
    const bindingTypes = this.#channel.channelBinding?.types;
    this.#sasl2 =
      sasl2 === false || this.#result ? undefined : new SASL2Stream({ adapter, host, from, bindingTypes }, sasl2);
  }

  /** RFC 6120 §4.9.3.9: after authentication the client is who it authenticated as. */
  #checkFrom(attributes: Attributes): void {
    const { from } = attributes;
    if (from === undefined || this.#result === undefined) return;
    const jid = parseJid(from);
    if (jid === undefined || jid.resource !== undefined || formatJid(jid) !== this.#jid()) {
      throw new StreamViolation("invalid-from", "the client is somebody else than it authenticated as");
    }
  }

  #jid(): string {
    return bareJidOf((this.#result as ServerResult).authzid, this.#host as string);
  }

  #sendHeader(from: string, to?: string): void {
    const addressed = to !== undefined && to.length <= 3071 ? { to } : {};
    this.#parts.framing.open({ id: newStreamId(), from, ...addressed, version: "1.0", "xml:lang": "en" });
    this.#headerSent = true;
  }

  async #sendFeatures(): Promise<void> {
    const { adapter, serialize, framing } = this.#parts;
    const children = this.#result
      ? ((await this.#options.features?.(this.#result, adapter, this.#login?.resource)) ?? [])
      : await this.#offers();
    // RFC 6120 §4.8.5: the prefix is expected to be this one.
    await framing.write(
      `<stream:features xmlns:stream='${NS_STREAM}'>${children.map(serialize).join("")}</stream:features>`,
    );
  }

  async #offers(): Promise<readonly E[]> {
    const { adapter, startTLS } = this.#parts;
    const offers: E[] = [];
    if (startTLS && !this.#secure) {
      offers.push(adapter.create("starttls", NS_TLS, {}, this.#tlsFirst ? [adapter.create("required", NS_TLS)] : []));
    }
    if (this.#tlsFirst) return offers; // R-XMPP-01
    const mechanisms = this.#options.server.mechanisms(this.#connection);
    const sasl2 = (await this.#sasl2?.announce(mechanisms)) ?? [];
    const others = mechanisms.filter((name) => !this.#sasl2?.reserves(name));
    const bindingTypes = this.#channel.channelBinding?.types;
    offers.push(...announce(others, adapter, { bindingTypes }));
    // R-SSDP-02: of both profiles, for their lists are the same.
    this.#announced = { mechanisms: others, bindingTypes: announcedTypes(others, bindingTypes) };
    return this.#secure ? [...offers, ...sasl2] : offers; // R-SA2-01
  }

  get #tlsFirst(): boolean {
    return !this.#secure && this.#parts.startTLS !== undefined && this.#options.requireTLS !== false;
  }

  get #connection(): ServerConnection {
    const { channelBinding, tlsVersion, external, externalSsf, policy, remote = this.#parts.remote } = this.#channel;
    const [secure, host, layers] = [this.#secure, this.#host, this.#parts.framing.protect !== undefined];
    const [announced, successData] = [this.#announced, true];
    const admit: ServerConnection["admit"] = (result, data) => this.#admit(result, data);
    const about = { secure, host, channelBinding, tlsVersion, announced, external, externalSsf };
    return { ...about, layers, policy, remote, admit, successData };
  }

  /** RFC 6120 §5.4. @returns false when the stream is over. */
  async #startTLS(element: E): Promise<boolean> {
    const { adapter, framing, startTLS } = this.#parts;
    if (this.#secure || startTLS === undefined || !isElement(adapter, element, "starttls", NS_TLS)) {
      await framing.write(`<failure xmlns='${NS_TLS}'/>`); // §5.4.2.2
      return false;
    }
    framing.discard(); // §5.4.3.3, R-XMPP-20
    void framing.write(`<proceed xmlns='${NS_TLS}'/>`);
    this.#headerSent = false;
    this.#handshake = new AbortController();
    this.#channel = await startTLS(this.#handshake.signal);
    this.#handshake = undefined;
    this.#secure = true;
    this.#session = undefined;
    framing.restart();
    return true;
  }

  /** One exchange, or several that discard each other. @returns whether the client is authenticated now. */
  async #authenticate(element: E): Promise<boolean> {
    const { maxAttempts = DEFAULT_ATTEMPTS } = this.#options;
    for (let next: E | undefined = element; next !== undefined; ) {
      const outcome: XMPPServeOutcome<E> = await this.#exchange(next);
      if (outcome.ok) return true;
      // RFC 6120 §6.4.5
      if (++this.#failures >= maxAttempts)
        throw new StreamViolation("policy-violation", "too many attempts to authenticate");
      next = outcome.next;
    }
    return false;
  }

  async #exchange(element: E): Promise<XMPPServeOutcome<E>> {
    const { server, maxMessageBytes } = this.#options;
    if (this.#tlsFirst) {
      const error = new SASLFailure("channel-not-protected", "STARTTLS comes first");
      server.session(this.#connection).refuse(this.#parts.adapter.attribute(element, "mechanism") ?? "", error);
      await this.#send(formatFailure(error, this.#parts.adapter));
      return { ok: false, error };
    }
    this.#session ??= server.session(this.#connection);
    const session = this.#session;
    const { adapter } = this.#parts;
    const mechanism = adapter.attribute(element, "mechanism") ?? "";
    if (isElement(adapter, element, "auth", NS_SASL) && this.#sasl2?.reserves(mechanism)) {
      const error = new SASLFailure("mechanism-unsupported", "a mechanism of an inline feature");
      session.refuse(mechanism, error);
      await this.#send(formatFailure(error, adapter));
      return { ok: false, error };
    }
    const outcome = await serve(this.#transport(NS_SASL), session, element, { maxMessageBytes });
    if (outcome.ok) this.#result = session.result;
    return outcome;
  }

  /** One exchange with SASL2. @returns whether the client is authenticated now. */
  async #authenticate2(stream: SASL2Stream<E>, element: E): Promise<boolean> {
    const { server, maxMessageBytes, maxAttempts = DEFAULT_ATTEMPTS } = this.#options;
    this.#session ??= server.session(this.#connection);
    const session = this.#session;
    const outcome: SASL2ServeOutcome = await stream.serve(this.#transport(NS_SASL2), session, element, {
      maxMessageBytes,
    });
    if (outcome.ok) {
      this.#result = session.result;
      this.#login = outcome;
    } else if (++this.#failures >= maxAttempts) {
      throw new StreamViolation("policy-violation", "too many attempts to authenticate");
    }
    return outcome.ok;
  }

  /**
   * An account of this stream's host, or none (R-XMPP-18). Names are local parts (`bareJid`), or whole JIDs where accounts
   * of several hosts are held apart.
   */
  #admit(result: ServerResult, data: Uint8Array | undefined): Promise<void> | undefined {
    const { authzid } = result;
    const host = this.#host as string;
    const jid = parseJid(authzid.includes("@") ? authzid : `${authzid}@${host}`);
    // The account "localhost/x" would be the host itself.
    if (jid?.local === undefined || jid.resource !== undefined || jid.domain !== normalizeDomain(host)) {
      throw saslError("authorization-refused", "no account of this host");
    }
    return this.#sasl2?.admit(result, data);
  }

  /** The stream during an exchange: elements of its namespace and nothing else. */
  #transport(namespace: string): ElementTransport<E> {
    const { adapter, framing } = this.#parts;
    return {
      adapter,
      secure: this.#secure,
      protect: framing.protect && ((layer) => this.#protect(layer)),
      send: (element) => this.#send(element),
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

  async #send(element: E): Promise<void> {
    if (this.#closed) throw new SASLFailure("connection-lost", "the stream is closed");
    await this.#parts.framing.write(this.#parts.serialize(element));
  }

  async #handOver(): Promise<void> {
    const { adapter } = this.#parts;
    this.#takenAt = Date.now();
    await this.#options.onAuthenticated?.({
      adapter,
      result: this.#result as ServerResult,
      jid: this.#jid(),
      host: this.#host as string,
      profile: this.#login ? "sasl2" : "sasl1",
      resource: this.#login?.resource,
      resumed: this.#login?.resumed ?? false,
      userAgent: this.#login?.userAgent ?? {},
      send: (element) => this.#send(element),
      receive: () => this.#receive(),
      close: (condition, text) => this.#end(condition, text),
    });
  }

  async #receive(): Promise<E | undefined> {
    if (this.#closed) return undefined;
    const { adapter, framing } = this.#parts;
    try {
      const event = await framing.next();
      this.#takenAt = Date.now();
      if (event.type === "close") return undefined;
      if (event.type === "open") throw new StreamViolation("bad-format", "a header inside a stream");
      if (isStreamError(event.element, adapter)) return undefined;
      if ([NS_SASL, NS_SASL2].includes(adapter.namespace(event.element))) {
        throw new StreamViolation("policy-violation", "SASL after authentication"); // R-XMPP-14, R-SA2-17
      }
      return event.element;
    } catch (error) {
      this.#reason ??= codeOf(error);
      if (isSASLError(error)) return undefined;
      throw error;
    }
  }

  #tell(): void {
    const { onEnd } = this.#options;
    if (onEnd === undefined) return;
    const { remote = this.#parts.remote } = this.#channel;
    const [code, secure, result, failures] = [this.#reason, this.#secure, this.#result, this.#failures];
    try {
      onEnd({ code, remote, secure, result, failures });
    } catch {
      // A log that fails must not decide who is served.
    }
  }

  async #report(error: unknown): Promise<void> {
    try {
      await this.#options.onError?.(error);
    } catch {
      // A log that fails must not decide who is served.
    }
  }
}

/** Why a connection ends that ends with this. */
function codeOf(error: unknown): SASLErrorCode {
  if (isSASLError(error)) return error.code;
  if (!(error instanceof StreamViolation)) return "temporary";
  return error.condition === "not-authorized" ? "unexpected-message" : failureOf(error).code;
}

/** RFC 6120 §4.7.3: unpredictable, and not used again. */
function newStreamId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (octet) => octet.toString(16).padStart(2, "0")).join(
    "",
  );
}
