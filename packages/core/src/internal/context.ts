/** What both ends' contexts have in common. */

import { randomBytes } from "#runtime";
import { SASLFailure, saslError } from "../errors.js";
import type { LayerBounds } from "../layer.js";
import type { Limits } from "../limits.js";
import type { Heard, MechanismContext, MechanismInfo } from "../mechanism.js";
import type { Digest, MacKey, MaybePromise } from "../runtime/contract.js";
import { saslprep } from "../text/saslprep.js";
import { encodeBase64 } from "./base64.js";
import { equalBytes } from "./bytes.js";
import { decodeUtf8, encodeUtf8 } from "./text.js";

/** How names and passwords are prepared: by name, or by a function: `precis`, a site's own rule. */
export type Prepare =
  | "saslprep"
  | "none"
  | ((text: string, usage: "stored" | "query", what: "name" | "password") => MaybePromise<string>);

/** The settings both ends share. */
export interface ContextSettings {
  /** Service name as registered with IANA: `imap`, `smtp`, `xmpp`. Bindings fill it in. */
  readonly service?: string | undefined;
  /** Name of the server as its users give it, never from DNS. */
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** How names and passwords are prepared. Default `saslprep`; `none` where the other side keeps them unprepared. */
  readonly prepare?: Prepare | undefined;
  /** Random octets instead of the runtime's, for tests. */
  readonly random?: ((count: number) => Uint8Array) | undefined;
  /** Nonces instead of random ones, for tests that replay published exchanges. */
  readonly nonce?: (() => string) | undefined;
}

/** How an exchange ended. */
type Outcome = readonly [ok: boolean, error?: unknown];

export abstract class BaseContext implements MechanismContext {
  readonly mechanism: MechanismInfo;
  readonly limits: Limits;
  readonly service: string | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly equal: MechanismContext["equal"] = equalBytes;
  readonly bytes: MechanismContext["bytes"] = encodeUtf8;
  readonly fail: MechanismContext["fail"] = saslError;
  readonly #shared: ContextSettings;
  abstract readonly secure: boolean;
  abstract readonly protection: LayerBounds;
  /** Tells everybody who wants to know, also later; the first outcome counts. */
  end!: (outcome: Outcome) => void;
  readonly #outcome = new Promise<Outcome>((resolve) => {
    this.end = resolve;
  });

  protected constructor(
    mechanism: MechanismInfo,
    shared: ContextSettings,
    limits: Limits,
    host: string | undefined = shared.host,
  ) {
    this.mechanism = mechanism;
    this.limits = limits;
    this.service = shared.service;
    this.host = host;
    this.port = shared.port;
    this.#shared = shared;
  }

  random(count: number): Uint8Array {
    return (this.#shared.random ?? randomBytes)(count);
  }
  nonce(): string {
    return this.#shared.nonce?.() ?? encodeBase64(this.random(18));
  }
  hash(digest: Digest, data: Uint8Array): MaybePromise<Uint8Array> {
    return digest.hash(data);
  }
  hmac(digest: Digest, key: Uint8Array | MacKey, data: Uint8Array): MaybePromise<Uint8Array> {
    return "hmac" in key ? hmacOf(key, digest, data) : digest.hmac(key, data);
  }
  pbkdf2(digest: Digest, password: Uint8Array, salt: Uint8Array, iterations: number): Promise<Uint8Array> {
    return digest.pbkdf2(password, salt, iterations);
  }

  text(message: Heard): string {
    if (message === undefined) throw new SASLFailure("unexpected-message", "a message is missing");
    return decodeUtf8(message);
  }

  prepare(text: string, usage: "stored" | "query", what: "name" | "password" = "password"): MaybePromise<string> {
    const { prepare = "saslprep" } = this.#shared;
    if (prepare === "saslprep") return saslprep(text, usage);
    return prepare === "none" ? text : prepare(text, usage, what);
  }

  /** What one of them throws, now or later, is no concern of the others. */
  ended(callback: (ok: boolean, error?: unknown) => void): void {
    this.#outcome.then((outcome) => callback(...outcome)).catch(() => {});
  }

  /** A name this side was given or read: bounded, without NUL (RFC 4422 §3.4.1). */
  checkIdentity(name = ""): void {
    if (name.includes("\0")) throw new SASLFailure("malformed-message", "an identity holds a NUL");
    // A UTF-16 unit is at most three octets of UTF-8; only names that might be too long are encoded.
    const { maxIdentityBytes } = this.limits;
    if (name.length * 3 > maxIdentityBytes && encodeUtf8(name).length > maxIdentityBytes) {
      throw new SASLFailure("limit-exceeded", `an identity is longer than ${maxIdentityBytes} octets`);
    }
  }
}

/** A key elsewhere is not taken at its word: octets too few would show what they are to hide, none verify anybody. */
async function hmacOf(key: MacKey, { name, size }: Digest, data: Uint8Array): Promise<Uint8Array> {
  const mac = await key.hmac(data);
  if (key.hash !== name || mac.length !== size) throw new SASLFailure("no-credentials", `the key is not of ${name}`);
  return mac;
}
