/**
 * A security context of the GSS-API library: its handshake, what it established, and the protection of messages.
 *
 * @module
 */
import type { GssContext, GssFacts, GssStep, GssUnwrapped } from "sasl-core/mechanisms";
import { GssError, type GssLibrary, type Handle, type Memory } from "./gss-library.js";
import { type Gss, Handles, handleIn } from "./gss-memory.js";
import { oidText } from "./oid.js";

/** One end of a handshake. */
export interface End {
  readonly held: Handles;
  /** The context, once there is one. */
  readonly context: Memory;
  /** Calls the routine of this end. @returns its major status. */
  step(input: Memory | null, output: Memory): Promise<number>;
  /** Why the context must not be used although the library established it. */
  objection?(): string | undefined;
}

/** RFC 2744 §5.1, appendix A. */
export const bits = { mutual: 2, replay: 4, sequence: 8, confidentiality: 16, integrity: 32 } as const;
const continueNeeded = 1;
/** Strength of a context's confidentiality, for SASL. */
const saslSsf = "1.2.840.113554.1.2.2.5.15";

/** A context of the library, from its first step to its layers. */
export class LibraryContext implements GssContext {
  readonly #gss: Gss;
  readonly #end: End;
  #busy = false;
  #disposed = false;

  constructor(gss: Gss, end: End) {
    this.#gss = gss;
    this.#end = end;
    gss.forgotten.register(this, end.held, this);
  }

  async step(token: Uint8Array | undefined): Promise<GssStep> {
    const { native } = this.#gss;
    this.#check();
    const input = token && native.buffer(token);
    const output = native.emptyBuffer();
    this.#busy = true;
    try {
      const major = await this.#end.step(input ?? null, output);
      const said = native.take(output);
      const done = (major & continueNeeded) === 0;
      const objection = done ? this.#end.objection?.() : undefined;
      if (objection) throw new GssError(objection);
      return said.length > 0 ? { token: said, done } : { done };
    } finally {
      // What fails leaves a token too (RFC 2743 §2.2.1, §2.2.2); nobody sends it, and the library wants it back.
      native.release("gss_release_buffer", output);
      this.#busy = false;
      if (this.#disposed) this.#release();
    }
  }

  facts(): GssFacts {
    const { native, oids } = this.#gss;
    const held = new Handles(native);
    try {
      const source = held.place("gss_release_name");
      const mechanism = Buffer.alloc(8);
      const flags = Buffer.alloc(4);
      native.call("gss_inquire_context", this.#context, source, null, null, mechanism, flags, null, null);
      const desc = Buffer.from(native.copy(handleIn(mechanism), 16));
      const oid = oidText(native.copy(desc.readBigUInt64LE(8), desc.readUInt32LE()));
      const name = native.emptyBuffer();
      native.call("gss_display_name", handleIn(source), name, null);
      const has = (bit: number) => (flags.readUInt32LE() & bit) !== 0;
      return {
        mechanism: oid,
        flags: {
          mutual: has(bits.mutual),
          sequence: has(bits.sequence),
          confidentiality: has(bits.confidentiality),
          integrity: has(bits.integrity),
        },
        initiator: text(native.take(name)),
        localName: localName(native, handleIn(source), oids.desc(oid)),
        ssf: this.#ssf(),
      };
    } finally {
      held.release();
    }
  }

  wrap(plain: Uint8Array, confidential: boolean): Uint8Array {
    const { native } = this.#gss;
    const input = native.buffer(plain);
    const output = native.emptyBuffer();
    const state = Buffer.alloc(4);
    native.call("gss_wrap", this.#context, confidential ? 1 : 0, 0, input, state, output);
    const token = native.take(output);
    if (confidential && state.readInt32LE() === 0) throw new GssError("the context has no confidentiality");
    return token;
  }

  unwrap(token: Uint8Array): GssUnwrapped {
    const { native } = this.#gss;
    const input = native.buffer(token);
    const output = native.emptyBuffer();
    const state = Buffer.alloc(4);
    const major = native.call("gss_unwrap", this.#context, input, output, state, null);
    const plain = native.take(output);
    if (major !== 0) throw new GssError("a token that is old, repeated or out of order"); // RFC 4752 §3.3
    return { plain, confidential: state.readInt32LE() !== 0 };
  }

  wrapSizeLimit(maxToken: number, confidential: boolean): number {
    const max = Buffer.alloc(4);
    this.#gss.native.call("gss_wrap_size_limit", this.#context, confidential ? 1 : 0, 0, maxToken, max);
    return max.readUInt32LE();
  }

  getMic(message: Uint8Array): Uint8Array {
    const { native } = this.#gss;
    const input = native.buffer(message);
    const output = native.emptyBuffer();
    native.call("gss_get_mic", this.#context, 0, input, output);
    return native.take(output);
  }

  verifyMic(message: Uint8Array, mic: Uint8Array): void {
    const { native } = this.#gss;
    const input = native.buffer(message);
    const token = native.buffer(mic);
    const major = native.call("gss_verify_mic", this.#context, input, token, null);
    if (major !== 0) throw new GssError("a MIC that is old, repeated or out of order");
  }

  dispose(): void {
    this.#disposed = true;
    if (!this.#busy) this.#release(); // else another thread is at it
  }

  get #context(): Handle {
    this.#check();
    return handleIn(this.#end.context);
  }

  #check(): void {
    if (this.#disposed || this.#busy) throw new GssError("the context is not there");
  }

  #release(): void {
    this.#gss.forgotten.unregister(this);
    this.#end.held.release();
  }

  /** What the library says, or what every cipher of Kerberos has that is not broken. */
  #ssf(): number {
    const { native, oids } = this.#gss;
    const set = Buffer.alloc(8);
    try {
      native.call("gss_inquire_sec_context_by_oid", this.#context, oids.desc(saslSsf), set);
      const head = Buffer.from(native.copy(handleIn(set), 16));
      const [count, elements] = [head.readBigUInt64LE(), head.readBigUInt64LE(8)];
      const element = Buffer.from(count === 1n ? native.copy(elements, 16) : new Uint8Array(16));
      const value = Buffer.from(native.copy(element.readBigUInt64LE(8), Number(element.readBigUInt64LE())));
      return value.length === 4 ? value.readUInt32BE() : leastSsf;
    } catch {
      return leastSsf;
    } finally {
      if (native.has("gss_release_buffer_set")) native.release("gss_release_buffer_set", set);
    }
  }
}

/** What Cyrus SASL says of a cipher it cannot ask about: that of DES. */
const leastSsf = 56;

/** The account the initiator maps to (auth_to_local of krb5.conf), where it maps to one. */
function localName(native: GssLibrary, name: Handle, mechanism: Memory): string | undefined {
  if (!native.has("gss_localname")) return undefined;
  const desc = native.emptyBuffer();
  try {
    native.call("gss_localname", name, mechanism, desc);
  } catch {
    return undefined;
  }
  return text(native.take(desc)) || undefined;
}

/** Names are UTF-8, and nothing else becomes one. */
function text(octets: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
}
