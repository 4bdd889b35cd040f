/**
 * What the mechanisms of the GSS-API need of an implementation of it: contexts, and little else. Source: RFC 2743.
 * `sasl-gssapi` has providers for the libraries of the system; an application can write its own.
 *
 * @module
 */
import type { MaybePromise } from "../../runtime/contract.js";

/** Kerberos V (RFC 4121 §1). */
export const krb5Oid = "1.2.840.113554.1.2.2";
/** Kerberos V, as Windows also names it in SPNEGO (MS-SPNG §3.1.5.2). */
export const msKrb5Oid = "1.2.840.48018.1.2.2";
/** SPNEGO (RFC 4178 §3.2.1). */
export const spnegoOid = "1.3.6.1.5.5.2";
/** NTLM, as SPNEGO names it (MS-SPNG §1.9). */
export const ntlmOid = "1.3.6.1.4.1.311.2.2.10";

/** Services of a context, asked for before there is one and known for certain once it is established (RFC 2743 §1.2). */
export interface GssFlags {
  /** The acceptor proves itself too. */
  readonly mutual: boolean;
  /** Messages that are missing, repeated or out of order are noticed. */
  readonly sequence: boolean;
  readonly integrity: boolean;
  readonly confidentiality: boolean;
}

/** How to begin a context, at either end. */
export interface GssContextOptions {
  /** The GSS-API mechanism, as a dotted OID. */
  readonly mechanism: string;
  /**
   * Application data of the channel bindings (RFC 2743 §1.1.6), whose address types and addresses are empty. Left out: none.
   * Read only.
   */
  readonly channelBinding?: Uint8Array | undefined;
}

/** How to begin a context as the initiator. */
export interface GssInitiateOptions extends GssContextOptions {
  /** Host-based service name of the acceptor, `imap@mail.example.com` (RFC 2743 §4.1). */
  readonly target: string;
  /** Whose credentials to use: `alice`, `alice@EXAMPLE.COM`. Left out: the default ones. */
  readonly principal?: string | undefined;
  readonly flags: GssFlags;
}

/** How to begin a context as the acceptor. */
export interface GssAcceptOptions extends GssContextOptions {
  /** Host-based service name to accept tickets for, and for no other. Left out: every name it has keys for. */
  readonly target?: string | undefined;
}

/** What is known of a context that is established. */
export interface GssFacts {
  /** The mechanism that was used, as a dotted OID. */
  readonly mechanism: string;
  readonly flags: GssFlags;
  /** Display name of the initiator: `alice@EXAMPLE.COM`. */
  readonly initiator: string;
  /** The local user the initiator maps to, where the implementation maps names (RFC 6680 §2.3's local name). */
  readonly localName?: string | undefined;
  /** Strength of confidentiality in bits, at least 2; counts where the flags have it. */
  readonly ssf: number;
}

/** What one step of a context came to. */
export interface GssStep {
  /** Token for the peer, the caller's own; left out when there is none. Never empty. */
  readonly token?: Uint8Array | undefined;
  /** True when the context is established; a token may be due all the same. */
  readonly done: boolean;
}

/**
 * One security context. Used by one exchange and the layer it negotiates, one call at a time. Whatever goes wrong is thrown:
 * SASL errors pass as they are, everything else is taken for the peer's fault.
 */
export interface GssContext {
  /** GSS_Init_sec_context or GSS_Accept_sec_context. @param token nothing in the initiator's first step. Read only. */
  step(token: Uint8Array | undefined): MaybePromise<GssStep>;
  /** What is known, once a step was `done`. */
  facts(): MaybePromise<GssFacts>;
  /** GSS_Wrap with the default quality. @returns a token, the caller's own. @throws when `confidential` cannot be had. */
  wrap(plain: Uint8Array, confidential: boolean): MaybePromise<Uint8Array>;
  /**
   * GSS_Unwrap. @param token read only.
   * @throws for every status but GSS_S_COMPLETE, so also for what is old, repeated or out of order (RFC 4752 §3.3).
   */
  unwrap(token: Uint8Array): MaybePromise<GssUnwrapped>;
  /** GSS_Wrap_size_limit: most octets whose token has at most `maxToken`; 0 when not even one fits. */
  wrapSizeLimit(maxToken: number, confidential: boolean): MaybePromise<number>;
  /** GSS_GetMIC. */
  getMic(message: Uint8Array): MaybePromise<Uint8Array>;
  /** GSS_VerifyMIC. @throws for every status but GSS_S_COMPLETE. */
  verifyMic(message: Uint8Array, mic: Uint8Array): MaybePromise<void>;
  /** Lets go of it; called at most once, and never while a layer is in use. A context under a layer goes with the layer. */
  dispose(): void;
}

/** What a token held. */
export interface GssUnwrapped {
  /** The caller's own. */
  readonly plain: Uint8Array;
  readonly confidential: boolean;
}

/** An implementation of the GSS-API. Holds no state of an exchange. */
export interface GssProvider {
  /** Whether contexts can be bound to channels; GS2 is not possible without. */
  readonly bindsChannels: boolean;
  /**
   * Whether contexts protect any data. Without, GSSAPI agrees to no layer, and GSS-SPNEGO is not possible, where the peer
   * takes a layer for granted; wrapping the four octets and the authzid of a choice without layer is enough then.
   */
  readonly protectsData: boolean;
  /** Whether there is an acceptor credential for a mechanism now (RFC 4752 §3.2): asked each time a server makes its list. */
  canAccept(mechanism: string): boolean;
  /** @throws {SASLFailure} `no-credentials` when there is no implementation, or no ticket to be had. */
  initiate(options: GssInitiateOptions): MaybePromise<GssContext>;
  /** @throws {SASLFailure} `temporary` when there is no implementation or no key. */
  accept(options: GssAcceptOptions): MaybePromise<GssContext>;
}
