/**
 * The server end of a client's connection, from its first octet until it has authenticated: headers, features, STARTTLS,
 * stream errors, restart. Authentication is in `connection-login.ts`; what comes after is the application's.
 * Source: RFC 6120 §4, §5.
 *
 * @module
 */
import { isSASLError, type SASLErrorCode, SASLFailure, type ServerResult } from "sasl-core";
import { type Attributes, isElement } from "../element.js";
import { formatJid, normalizeDomain, parseJid } from "../jid.js";
import { NS_SASL, NS_SASL2, NS_STREAM, NS_TLS } from "../namespaces.js";
import { failureOf, formatStreamError, isStreamError, type StreamCondition, StreamViolation } from "./conditions.js";
import { ConnectionLogin, type Login } from "./connection-login.js";
import type { XMPPConnectionOptions, XMPPConnectionParts } from "./connection-options.js";

const DEFAULT_LOGIN_TIMEOUT_MS = 60_000;

/** One connection. Make it, then `run()` it. It can be put into a `Sweep` of `sasl-lines`, which ends it when its time is up. */
export class XMPPConnection<E> {
  /** When it began, in milliseconds of `Date.now()`; for a sweep that ends those which take too long. */
  readonly since: number = Date.now();
  readonly #parts: XMPPConnectionParts<E>;
  readonly #options: XMPPConnectionOptions<E>;
  readonly #login: ConnectionLogin<E>;
  /** How the client came in. */
  #entry: Login | undefined;
  #host: string | undefined;
  #headerSent = false;
  #closed = false;
  /** The client said so. */
  #left = false;
  /** Why the connection ends, as soon as that is known. */
  #reason: SASLErrorCode | undefined;
  /** Set while TLS begins. */
  #handshake: AbortController | undefined;
  /** When the last element after the login was taken. */
  #takenAt = 0;

  /** @throws {RangeError} for no host, a host that is no domain, or a number out of its range. */
  constructor(parts: XMPPConnectionParts<E>, options: XMPPConnectionOptions<E>) {
    const { loginTimeoutMs = 1, idleTimeoutMs = 1, hosts } = options;
    if (!(loginTimeoutMs >= 1 && idleTimeoutMs >= 1)) throw new RangeError("time limits are at least 1");
    if (hosts.length === 0 || hosts.some((host) => normalizeDomain(host) === undefined)) {
      throw new RangeError("hosts are domain names, at least one");
    }
    this.#parts = parts;
    this.#options = options;
    this.#login = new ConnectionLogin(parts, options, (element) => this.#send(element));
    parts.framing.onLost = () => this.#login.abort(new SASLFailure("connection-lost", "the client is gone"));
  }

  /** Set once the client has authenticated. */
  get result(): ServerResult | undefined {
    return this.#login.result;
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
    if (this.result === undefined) return now - this.since > loginTimeoutMs + this.#login.extraMs;
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
    this.#login.abort(reason);
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
      } else if (this.#login.speaks(namespace)) {
        this.#entry = await this.#login.take(element);
        if (this.#entry !== undefined) return this.#goOn(this.#entry);
      } else if (isStreamError(element, adapter)) {
        return false;
      } else {
        // RFC 6120 §6.3.1, §4.9.3.12: nothing else before authentication.
        throw new StreamViolation("not-authorized", "an element before authentication");
      }
    }
  }

  /** What both sides do once the client is known. @returns false when it left. */
  async #goOn({ profile, resumed }: Login): Promise<boolean> {
    const { framing } = this.#parts;
    if (profile === "sasl1") {
      this.#headerSent = false;
      framing.restart(true); // R-XMPP-11
      return this.#openStream();
    }
    framing.proceed?.();
    if (!resumed) await this.#sendFeatures(); // R-SA2-11, XEP-0198 §9.2
    return true;
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
    this.#login.begin(host, attributes.from);
    await this.#sendFeatures();
    return true;
  }

  /** RFC 6120 §4.9.3.9: after authentication the client is who it authenticated as. */
  #checkFrom(attributes: Attributes): void {
    const { from } = attributes;
    if (from === undefined || this.result === undefined) return;
    const jid = parseJid(from);
    if (jid === undefined || jid.resource !== undefined || formatJid(jid) !== this.#login.jid) {
      throw new StreamViolation("invalid-from", "the client is somebody else than it authenticated as");
    }
  }

  #sendHeader(from: string, to?: string): void {
    const addressed = to !== undefined && to.length <= 3071 ? { to } : {};
    this.#parts.framing.open({ id: newStreamId(), from, ...addressed, version: "1.0", "xml:lang": "en" });
    this.#headerSent = true;
  }

  async #sendFeatures(): Promise<void> {
    const { adapter, serialize, framing } = this.#parts;
    const children = this.result
      ? ((await this.#options.features?.(this.result, adapter, this.#entry?.resource)) ?? [])
      : await this.#login.offers();
    // RFC 6120 §4.8.5: the prefix is expected to be this one.
    await framing.write(
      `<stream:features xmlns:stream='${NS_STREAM}'>${children.map(serialize).join("")}</stream:features>`,
    );
  }

  /** RFC 6120 §5.4. @returns false when the stream is over. */
  async #startTLS(element: E): Promise<boolean> {
    const { adapter, framing, startTLS } = this.#parts;
    if (this.#login.secure || startTLS === undefined || !isElement(adapter, element, "starttls", NS_TLS)) {
      await framing.write(`<failure xmlns='${NS_TLS}'/>`); // §5.4.2.2
      return false;
    }
    framing.discard(); // §5.4.3.3, R-XMPP-20
    void framing.write(`<proceed xmlns='${NS_TLS}'/>`);
    this.#headerSent = false;
    this.#handshake = new AbortController();
    const channel = await startTLS(this.#handshake.signal);
    this.#handshake = undefined;
    this.#login.secured(channel);
    framing.restart();
    return true;
  }

  async #send(element: E): Promise<void> {
    if (this.#closed) throw new SASLFailure("connection-lost", "the stream is closed");
    await this.#parts.framing.write(this.#parts.serialize(element));
  }

  async #handOver(): Promise<void> {
    const { adapter } = this.#parts;
    const entry = this.#entry as Login;
    this.#takenAt = Date.now();
    await this.#options.onAuthenticated?.({
      adapter,
      result: this.result as ServerResult,
      jid: this.#login.jid,
      host: this.#host as string,
      profile: entry.profile,
      resource: entry.resource,
      resumed: entry.resumed,
      userAgent: entry.userAgent,
      send: (element) => this.#send(element),
      receive: () => this.#receive(),
      left: () => this.#left,
      close: (condition, text) => this.#end(condition, text),
    });
  }

  async #receive(): Promise<E | undefined> {
    if (this.#closed) return undefined;
    const { adapter, framing } = this.#parts;
    try {
      const event = await framing.next();
      if (this.#closed) return undefined; // while it was on its way: nothing may happen here any more
      this.#takenAt = Date.now();
      this.#left = event.type === "close";
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
    const { remote, secure, result, failures } = this.#login;
    try {
      onEnd({ code: this.#reason, remote, secure, result, failures });
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
