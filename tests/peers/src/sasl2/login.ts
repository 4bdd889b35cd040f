/**
 * A login of ours with SASL2, and what went over the wire for it.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { downgradeProtection, type SASLMechanism } from "sasl-core";
import { SCRAM, SCRAMPLUS } from "sasl-core/mechanisms";
import {
  authenticate,
  type Bound,
  bind2,
  type ClientInline,
  type Discovery,
  discover,
  enableCarbons,
  enableStreamManagement,
  type FastOptions,
  type FastResult,
  type FastTokenStore,
  fast,
  memoryFastTokens,
  newUserAgentId,
  sasl2,
  type UserAgent,
  type XMPPAuthenticationResult,
} from "sasl-xmpp";
import { SocketStream } from "sasl-xmpp/node";
import { passwordOf } from "../accounts.js";
import type { Endpoint } from "../types.js";

const timeoutMs = 10_000;

/** The TLS version of a login, the only one it offers. */
export type Version = "TLSv1.2" | "TLSv1.3";

/** A login, as far as it is not the usual one. */
export interface LoginOptions {
  readonly version?: Version;
  /** Default: SCRAM with channel binding, and without where that is not offered. */
  readonly mechanisms?: readonly SASLMechanism[];
  /** The token's last login. */
  readonly logout?: boolean;
}

/** What came of it. */
export interface LoggedIn {
  readonly result: XMPPAuthenticationResult;
  readonly offered: Discovery;
  readonly token: FastResult | undefined;
  readonly bound: Bound | undefined;
  /** Elements from `authenticate` to `success`, `C:` before those of the client. */
  readonly exchange: readonly string[];
}

/** One program of alice's with its tokens, which logs in again and again. */
export class ChatClient {
  readonly #endpoint: Endpoint;
  readonly #fast: Omit<FastOptions, "store">;
  readonly tokens: FastTokenStore = memoryFastTokens();
  readonly account: string;
  readonly userAgent: UserAgent = { id: newUserAgentId(), software: "peers" };

  constructor(endpoint: Endpoint, options: Omit<FastOptions, "store"> = {}) {
    this.#endpoint = endpoint;
    this.#fast = options;
    this.account = `alice@${endpoint.domain}`;
  }

  /** Logs in, binds, and hears an answer to a ping. */
  async login({ version = "TLSv1.3", mechanisms = passwords, logout = false }: LoginOptions = {}): Promise<LoggedIn> {
    const { host, port, ca, domain } = this.#endpoint;
    const signal = AbortSignal.timeout(timeoutMs);
    const stream = new Overheard(connect(port, host), { domain, from: this.account, signal });
    try {
      await stream.open();
      const features = await stream.startTLS({ ca: readFileSync(ca), minVersion: version, maxVersion: version });
      const offered = discover(features, stream.adapter);
      const tokens = fast({ ...this.#fast, store: this.tokens });
      const token: ClientInline<FastResult> = logout ? tokens.logout : tokens;
      const session = bind2({ tag: "peers", features: [enableCarbons(), enableStreamManagement()] });
      const profile = sasl2({ userAgent: this.userAgent, inline: [token, session] });
      stream.exchange.length = 0;
      const options = { sasl2: profile, profile: "sasl2", downgradeProtection: downgradeProtection(), signal } as const;
      const result = await authenticate(stream, features, mechanisms, options);
      const exchange = [...stream.exchange];
      await ping(stream);
      return { result, offered, token: result.inline.get(token), bound: result.inline.get(session), exchange };
    } finally {
      stream.close();
    }
  }
}

const alice = { username: "alice", password: passwordOf("alice") };
const passwords = [SCRAMPLUS(alice), SCRAM(alice)];

type Element = Awaited<ReturnType<SocketStream["receive"]>>;

/** A stream that keeps what was said on it. */
class Overheard extends SocketStream {
  readonly exchange: string[] = [];

  override async send(element: Element): Promise<void> {
    this.exchange.push(`C: ${element}`);
    await super.send(element);
  }

  override async receive(): Promise<Element> {
    const element = await super.receive();
    this.exchange.push(`S: ${element}`);
    return element;
  }
}

/** The session stands when the server answers in it. */
async function ping(stream: Overheard): Promise<void> {
  const { adapter } = stream;
  await stream.send(
    adapter.create("iq", "jabber:client", { type: "get", id: "p1" }, [adapter.create("ping", "urn:xmpp:ping")]),
  );
  for (;;) {
    const element = await stream.receive();
    if (element.name === "iq" && element.attrs.id === "p1") return;
  }
}
