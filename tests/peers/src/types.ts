/**
 * The words every part of this harness shares: where a login goes, what is presented, what must come of it.
 *
 * @module
 */

/** A protocol with an authentication exchange that both this project and the peers speak. */
export type Protocol = "imap" | "smtp" | "xmpp";

/** How the connection is protected: upgraded by a command, TLS from the first byte, or not at all. */
export type Channel = "starttls" | "implicit" | "none";

/** A PEM client certificate and its key, as file names. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** One port of one running server. */
export interface Endpoint {
  /** Name for the report, such as `dovecot`. */
  readonly server: string;
  readonly protocol: Protocol;
  readonly channel: Channel;
  readonly host: string;
  readonly port: number;
  /** File with the certificate authority that signed the server's certificate. */
  readonly ca: string;
  /** The XMPP domain, or the realm of a mail server. */
  readonly domain: string;
  /** On which TLS versions the server offers -PLUS, for clients that must stay away then; absent means unknown. */
  readonly plus?: "1.2" | "every" | "none";
  /** Mechanisms known not to be offered, for clients that would take them instead of the one asked for. */
  readonly lacks?: readonly string[];
}

/** What the client presents. */
export interface Login {
  /** Wire name; absent where the choice is the client's own. */
  readonly mechanism?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  readonly authzid?: string;
  readonly certificate?: Certificate;
  /** Highest TLS version to offer. */
  readonly tlsMax?: "1.2";
  /** Preparation of the password; absent means the default, SASLprep. */
  readonly prep?: "saslprep" | "none";
  readonly channelBinding?: "disable" | "prefer" | "require";
  /** Permit a plaintext mechanism on a connection without TLS. */
  readonly allowPlaintext?: boolean;
  /** Send the first message with the command (SASL-IR); absent means the client's own habit. */
  readonly initialResponse?: boolean;
}

/** What must come of a login; the fields below `outcome` count where the client can tell. */
export interface Expectation {
  /** `impossible` is a login that the client itself must not complete: policy, or nothing acceptable offered. */
  readonly outcome: "accepted" | "refused" | "impossible" | "unreachable";
  /** Of a refusal: the server may show this name a list without the mechanism, so that nothing can be tried (R-SA2-06). */
  readonly maybeNotOffered?: boolean;
  /** The mechanism taken; default: the one asked for. */
  readonly mechanism?: string;
  /** The channel-binding type used; default `null`, none. */
  readonly channelBinding?: string | null;
  /** The error's code, where one code alone is right. */
  readonly code?: string;
  /** What the server says in its protocol, as our client repeats it. */
  readonly peer?: RegExp;
}

/** What a client made of it. `broken` is a client or a connection that failed in another way than a refusal. */
export interface Verdict {
  readonly outcome: Expectation["outcome"] | "broken";
  /** One line for the report of a failure. */
  readonly detail: string;
  /** What else the client's own report contradicts; empty where all is as expected. */
  readonly complaints?: readonly string[];
}

/** A program that logs in. */
export interface Client {
  readonly name: string;
  /** Why this client cannot make the attempt, or nothing when it can. */
  cannot(endpoint: Endpoint, login: Login): string | undefined;
  attempt(endpoint: Endpoint, login: Login, expected: Expectation): Promise<Verdict>;
}

/** One line of the report. */
export interface Attempt {
  readonly name: string;
  run(): Promise<Outcome>;
}

/** The result of one attempt. */
export type Outcome = { readonly passed: true } | { readonly passed: false; readonly why: string };
