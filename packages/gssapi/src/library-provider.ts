/**
 * A provider on the GSS-API library of the system: both ends, layers, channel bindings.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
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
} from "sasl-core/mechanisms";
import { GssError, type GssLibrary, type Handle, loadLibrary, type Memory, none, type Routine } from "./gss-library.js";
import { oidContent, oidText } from "./oid.js";

/** Options of {@link libraryProvider}. */
export interface LibraryOptions {
  /** File name or path of the library. Default on Linux and FreeBSD: `libgssapi_krb5.so.2`, MIT Kerberos 1.19 or newer. */
  readonly library?: string | undefined;
}

/** RFC 2744 §5.1, appendix A. */
const bits = { mutual: 2, replay: 4, sequence: 8, confidentiality: 16, integrity: 32 } as const;
/** The acceptor found the initiator's channel bindings to be its own (MIT Kerberos 1.19). */
const channelBound = 2048;
const continueNeeded = 1;
const indefinite = 0xffffffff;
const initiating = 1;
const accepting = 2;

const hostBasedService = "1.2.840.113554.1.2.1.4";
const userName = "1.2.840.113554.1.2.1.1";
/** Leaves out integrity and confidentiality, which the library would ask for unasked. */
const noCiFlags = "1.2.752.43.13.29";
/** Strength of a context's confidentiality, for SASL. */
const saslSsf = "1.2.840.113554.1.2.2.5.15";

/**
 * A provider on the GSS-API library of the system, called through the optional peer dependency `koffi`. Tickets, keytab and
 * configuration are those of the library: `KRB5CCNAME`, `KRB5_KTNAME`, `KRB5_CONFIG`. What asks a KDC, or DNS, runs on another
 * thread.
 *
 * @throws where `koffi` or the library is not there.
 */
export function libraryProvider({ library: path }: LibraryOptions = {}): GssProvider {
  return providerOn(loadLibrary(path));
}

/** The provider on a library that is loaded. */
export function providerOn(library: GssLibrary): GssProvider {
  const forgotten = new FinalizationRegistry<Handles>((held) => held.release());
  const gss: Gss = { library, oids: new Oids(library), forgotten };
  return {
    bindsChannels: true,
    protectsData: true,
    canAccept(mechanism) {
      if (mechanism !== krb5Oid) return false;
      const held = new Handles(library);
      try {
        library.call("gss_acquire_cred", ...acquiring(gss, held, mechanism, accepting, none).args);
        return true;
      } catch {
        return false; // no keytab, or nothing in it
      } finally {
        held.release();
      }
    },
    initiate: async (options) => new LibraryContext(gss, await initiator(gss, options)),
    accept: async (options) => new LibraryContext(gss, await acceptor(gss, options)),
  };
}

interface Gss {
  readonly library: GssLibrary;
  readonly oids: Oids;
  /** Lets go of contexts under layers when nobody has them any more. */
  readonly forgotten: FinalizationRegistry<Handles>;
}

/** OIDs in the memory they need for as long as anybody may look at it. */
class Oids {
  readonly #library: GssLibrary;
  readonly #held = new Map<string, { readonly desc: Memory; readonly content: Memory; readonly set: Memory }>();

  constructor(library: GssLibrary) {
    this.#library = library;
  }

  /** gss_OID_desc */
  desc(dotted: string): Memory {
    return this.#of(dotted).desc;
  }

  /** gss_OID_set_desc with this one */
  set(dotted: string): Memory {
    return this.#of(dotted).set;
  }

  #of(dotted: string) {
    let found = this.#held.get(dotted);
    if (found === undefined) {
      const content = Buffer.from(oidContent(dotted));
      const desc = Buffer.alloc(16);
      desc.writeUInt32LE(content.length);
      desc.writeBigUInt64LE(this.#library.address(content), 8);
      const set = Buffer.alloc(16);
      set.writeBigUInt64LE(1n);
      set.writeBigUInt64LE(this.#library.address(desc), 8);
      found = { desc, content, set };
      this.#held.set(dotted, found);
    }
    return found;
  }
}

/** What the library gave and wants back. */
class Handles {
  readonly #library: GssLibrary;
  readonly #held: [routine: Routine, handle: Memory][] = [];

  constructor(library: GssLibrary) {
    this.#library = library;
  }

  /** A place for one handle, released by this routine. */
  place(routine: Routine): Memory {
    const memory = Buffer.alloc(8);
    this.#held.push([routine, memory]);
    return memory;
  }

  release(): void {
    for (const [routine, memory] of this.#held.splice(0).reverse()) this.#library.release(routine, memory);
  }
}

const handleIn = (memory: Memory): Handle => memory.readBigUInt64LE();

function importName({ library, oids }: Gss, held: Handles, name: string, type: string): Handle {
  const memory = held.place("gss_release_name");
  library.call("gss_import_name", library.buffer(name), oids.desc(type), memory);
  return handleIn(memory);
}

/** A place for a credential, and what to call gss_acquire_cred with to fill it. */
function acquiring({ oids }: Gss, held: Handles, mechanism: string, usage: number, name: Handle) {
  const credential = held.place("gss_release_cred");
  return { credential, args: [name, indefinite, oids.set(mechanism), usage, credential, null, null] };
}

/** On another thread: by default the library asks DNS for the host of a host-based name. */
async function acquire(gss: Gss, held: Handles, mechanism: string, usage: number, name: Handle): Promise<Memory> {
  const { credential, args } = acquiring(gss, held, mechanism, usage, name);
  await gss.library.callAside("gss_acquire_cred", ...args);
  return credential;
}

/** A gss_channel_bindings_struct without addresses (RFC 2744 §3.11) with its data right behind it, or nothing. */
function bindingsOf({ library }: Gss, data: Uint8Array | undefined): Memory | null {
  if (data === undefined) return null;
  const memory = Buffer.concat([Buffer.alloc(bindingsOctets), data]);
  memory.writeBigUInt64LE(BigInt(data.length), bindingsOctets - 16);
  memory.writeBigUInt64LE(library.address(memory) + BigInt(bindingsOctets), bindingsOctets - 8);
  return memory;
}

const bindingsOctets = 64;

/** One end of a handshake. */
interface End {
  readonly held: Handles;
  /** The context, once there is one. */
  readonly context: Memory;
  readonly flags: Memory;
  /** Calls the routine of this end. @returns its major status. */
  step(input: Memory | null, output: Memory): Promise<number>;
  /** Why the context must not be used although the library established it. */
  objection?(): string | undefined;
}

async function initiator(gss: Gss, options: GssInitiateOptions): Promise<End> {
  const { mechanism, target, principal, flags, channelBinding } = options;
  const { library, oids } = gss;
  const held = new Handles(library);
  try {
    const name = importName(gss, held, target, hostBasedService);
    const user = principal === undefined ? none : importName(gss, held, principal, userName);
    const credential = await acquire(gss, held, mechanism, initiating, user);
    if (!flags.confidentiality && library.has("gss_set_cred_option")) {
      library.call("gss_set_cred_option", credential, oids.desc(noCiFlags), library.emptyBuffer());
    }
    const bindings = bindingsOf(gss, channelBinding);
    const context = held.place("gss_delete_sec_context");
    const retFlags = Buffer.alloc(4);
    const step = (input: Memory | null, output: Memory) => {
      const args = [handleIn(credential), context, name, oids.desc(mechanism), flagBits(flags), 0, bindings, input];
      return library.callAside("gss_init_sec_context", ...args, null, output, retFlags, null);
    };
    return { held, context, flags: retFlags, step };
  } catch (error) {
    held.release();
    throw new SASLFailure("no-credentials", "there is no Kerberos ticket to begin with", { cause: error });
  }
}

async function acceptor(gss: Gss, { mechanism, target, channelBinding }: GssAcceptOptions): Promise<End> {
  const { library } = gss;
  const held = new Handles(library);
  try {
    const name = target === undefined ? none : importName(gss, held, target, hostBasedService);
    const credential = await acquire(gss, held, mechanism, accepting, name);
    const bindings = bindingsOf(gss, channelBinding);
    const context = held.place("gss_delete_sec_context");
    const retFlags = Buffer.alloc(4);
    const step = (input: Memory | null, output: Memory) => {
      const args = [context, handleIn(credential), input, bindings, null, null, output, retFlags, null, null];
      return library.callAside("gss_accept_sec_context", ...args);
    };
    // The library lets initiators in that bound to nothing; GS2 cannot (RFC 5801 §5.1).
    const unbound = () => bindings !== null && (retFlags.readUInt32LE() & channelBound) === 0;
    const objection = () => (unbound() ? "the initiator did not bind to this channel" : undefined);
    return { held, context, flags: retFlags, step, objection };
  } catch (error) {
    held.release();
    throw new SASLFailure("temporary", "there is no key to accept tickets with", { cause: error });
  }
}

function flagBits({ mutual, sequence, confidentiality, integrity }: GssFlags): number {
  return (
    (mutual ? bits.mutual : 0) |
    (sequence ? bits.sequence | bits.replay : 0) |
    (confidentiality ? bits.confidentiality : 0) |
    (integrity ? bits.integrity : 0)
  );
}

class LibraryContext implements GssContext {
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
    const { library } = this.#gss;
    this.#check();
    const input = token && library.buffer(token);
    const output = library.emptyBuffer();
    this.#busy = true;
    try {
      const major = await this.#end.step(input ?? null, output);
      const said = library.take(output);
      const done = (major & continueNeeded) === 0;
      const objection = done ? this.#end.objection?.() : undefined;
      if (objection) throw new GssError(objection);
      return said.length > 0 ? { token: said, done } : { done };
    } finally {
      // What fails leaves a token too (RFC 2743 §2.2.1, §2.2.2); nobody sends it, and the library wants it back.
      library.release("gss_release_buffer", output);
      this.#busy = false;
      if (this.#disposed) this.#release();
    }
  }

  facts(): GssFacts {
    const { library, oids } = this.#gss;
    const held = new Handles(library);
    try {
      const source = held.place("gss_release_name");
      const mechanism = Buffer.alloc(8);
      const flags = Buffer.alloc(4);
      library.call("gss_inquire_context", this.#context, source, null, null, mechanism, flags, null, null);
      const desc = Buffer.from(library.copy(handleIn(mechanism), 16));
      const oid = oidText(library.copy(desc.readBigUInt64LE(8), desc.readUInt32LE()));
      const name = library.emptyBuffer();
      library.call("gss_display_name", handleIn(source), name, null);
      const has = (bit: number) => (flags.readUInt32LE() & bit) !== 0;
      return {
        mechanism: oid,
        flags: {
          mutual: has(bits.mutual),
          sequence: has(bits.sequence),
          confidentiality: has(bits.confidentiality),
          integrity: has(bits.integrity),
        },
        initiator: text(library.take(name)),
        localName: localName(library, handleIn(source), oids.desc(oid)),
        ssf: this.#ssf(),
      };
    } finally {
      held.release();
    }
  }

  wrap(plain: Uint8Array, confidential: boolean): Uint8Array {
    const { library } = this.#gss;
    const input = library.buffer(plain);
    const output = library.emptyBuffer();
    const state = Buffer.alloc(4);
    library.call("gss_wrap", this.#context, confidential ? 1 : 0, 0, input, state, output);
    const token = library.take(output);
    if (confidential && state.readInt32LE() === 0) throw new GssError("the context has no confidentiality");
    return token;
  }

  unwrap(token: Uint8Array): GssUnwrapped {
    const { library } = this.#gss;
    const input = library.buffer(token);
    const output = library.emptyBuffer();
    const state = Buffer.alloc(4);
    const major = library.call("gss_unwrap", this.#context, input, output, state, null);
    const plain = library.take(output);
    if (major !== 0) throw new GssError("a token that is old, repeated or out of order"); // RFC 4752 §3.3
    return { plain, confidential: state.readInt32LE() !== 0 };
  }

  wrapSizeLimit(maxToken: number, confidential: boolean): number {
    const max = Buffer.alloc(4);
    this.#gss.library.call("gss_wrap_size_limit", this.#context, confidential ? 1 : 0, 0, maxToken, max);
    return max.readUInt32LE();
  }

  getMic(message: Uint8Array): Uint8Array {
    const { library } = this.#gss;
    const input = library.buffer(message);
    const output = library.emptyBuffer();
    library.call("gss_get_mic", this.#context, 0, input, output);
    return library.take(output);
  }

  verifyMic(message: Uint8Array, mic: Uint8Array): void {
    const { library } = this.#gss;
    const input = library.buffer(message);
    const token = library.buffer(mic);
    const major = library.call("gss_verify_mic", this.#context, input, token, null);
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
    const { library, oids } = this.#gss;
    const set = Buffer.alloc(8);
    try {
      library.call("gss_inquire_sec_context_by_oid", this.#context, oids.desc(saslSsf), set);
      const head = Buffer.from(library.copy(handleIn(set), 16));
      const [count, elements] = [head.readBigUInt64LE(), head.readBigUInt64LE(8)];
      const element = Buffer.from(count === 1n ? library.copy(elements, 16) : new Uint8Array(16));
      const value = Buffer.from(library.copy(element.readBigUInt64LE(8), Number(element.readBigUInt64LE())));
      return value.length === 4 ? value.readUInt32BE() : leastSsf;
    } catch {
      return leastSsf;
    } finally {
      if (library.has("gss_release_buffer_set")) library.release("gss_release_buffer_set", set);
    }
  }
}

/** What Cyrus SASL says of a cipher it cannot ask about: that of DES. */
const leastSsf = 56;

/** The account the initiator maps to (auth_to_local of krb5.conf), where it maps to one. */
function localName(library: GssLibrary, name: Handle, mechanism: Memory): string | undefined {
  if (!library.has("gss_localname")) return undefined;
  const desc = library.emptyBuffer();
  try {
    library.call("gss_localname", name, mechanism, desc);
  } catch {
    return undefined;
  }
  return text(library.take(desc)) || undefined;
}

/** Names are UTF-8, and nothing else becomes one. */
function text(octets: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
}
