/**
 * A provider on the GSS-API library of the system: how either end begins, with credentials and channel bindings.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import {
  type GssAcceptOptions,
  type GssFlags,
  type GssInitiateOptions,
  type GssProvider,
  krb5Oid,
} from "sasl-core/mechanisms";
import { type GssLibrary, type Handle, loadLibrary, type Memory, none } from "./gss-library.js";
import { type Gss, Handles, handleIn, Oids } from "./gss-memory.js";
import { bits, type End, LibraryContext } from "./library-context.js";

/** Options of {@link libraryProvider}. */
export interface LibraryOptions {
  /** File name or path of the library. Default on Linux and FreeBSD: `libgssapi_krb5.so.2`, MIT Kerberos 1.19 or newer. */
  readonly library?: string | undefined;
}

/** The acceptor found the initiator's channel bindings to be its own (MIT Kerberos 1.19). */
const channelBound = 2048;
const indefinite = 0xffffffff;
const initiating = 1;
const accepting = 2;

const hostBasedService = "1.2.840.113554.1.2.1.4";
const userName = "1.2.840.113554.1.2.1.1";
/** Leaves out integrity and confidentiality, which the library would ask for unasked. */
const noCiFlags = "1.2.752.43.13.29";

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
export function providerOn(native: GssLibrary): GssProvider {
  const forgotten = new FinalizationRegistry<Handles>((held) => held.release());
  const gss: Gss = { native, oids: new Oids(native), forgotten };
  return {
    bindsChannels: true,
    protectsData: true,
    canAccept(mechanism) {
      if (mechanism !== krb5Oid) return false;
      const held = new Handles(native);
      try {
        native.call("gss_acquire_cred", ...acquiring(gss, held, mechanism, accepting, none).args);
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

function importName({ native, oids }: Gss, held: Handles, name: string, type: string): Handle {
  const memory = held.place("gss_release_name");
  native.call("gss_import_name", native.buffer(name), oids.desc(type), memory);
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
  await gss.native.callAside("gss_acquire_cred", ...args);
  return credential;
}

/** A gss_channel_bindings_struct without addresses (RFC 2744 §3.11) with its data right behind it, or nothing. */
function bindingsOf({ native }: Gss, data: Uint8Array | undefined): Memory | null {
  if (data === undefined) return null;
  const memory = Buffer.concat([Buffer.alloc(bindingsOctets), data]);
  memory.writeBigUInt64LE(BigInt(data.length), bindingsOctets - 16);
  memory.writeBigUInt64LE(native.address(memory) + BigInt(bindingsOctets), bindingsOctets - 8);
  return memory;
}

const bindingsOctets = 64;

async function initiator(gss: Gss, options: GssInitiateOptions): Promise<End> {
  const { mechanism, target, principal, flags, channelBinding } = options;
  const { native, oids } = gss;
  const held = new Handles(native);
  try {
    const name = importName(gss, held, target, hostBasedService);
    const user = principal === undefined ? none : importName(gss, held, principal, userName);
    const credential = await acquire(gss, held, mechanism, initiating, user);
    if (!flags.confidentiality && native.has("gss_set_cred_option")) {
      native.call("gss_set_cred_option", credential, oids.desc(noCiFlags), native.emptyBuffer());
    }
    const bindings = bindingsOf(gss, channelBinding);
    const context = held.place("gss_delete_sec_context");
    const retFlags = Buffer.alloc(4);
    const step = (input: Memory | null, output: Memory) => {
      const args = [handleIn(credential), context, name, oids.desc(mechanism), flagBits(flags), 0, bindings, input];
      return native.callAside("gss_init_sec_context", ...args, null, output, retFlags, null);
    };
    return { held, context, step };
  } catch (error) {
    held.release();
    throw new SASLFailure("no-credentials", "there is no Kerberos ticket to begin with", { cause: error });
  }
}

async function acceptor(gss: Gss, { mechanism, target, channelBinding }: GssAcceptOptions): Promise<End> {
  const { native } = gss;
  const held = new Handles(native);
  try {
    const name = target === undefined ? none : importName(gss, held, target, hostBasedService);
    const credential = await acquire(gss, held, mechanism, accepting, name);
    const bindings = bindingsOf(gss, channelBinding);
    const context = held.place("gss_delete_sec_context");
    const retFlags = Buffer.alloc(4);
    const step = (input: Memory | null, output: Memory) => {
      const args = [context, handleIn(credential), input, bindings, null, null, output, retFlags, null, null];
      return native.callAside("gss_accept_sec_context", ...args);
    };
    // The library lets initiators in that bound to nothing; GS2 cannot (RFC 5801 §5.1).
    const unbound = () => bindings !== null && (retFlags.readUInt32LE() & channelBound) === 0;
    const objection = () => (unbound() ? "the initiator did not bind to this channel" : undefined);
    return { held, context, step, objection };
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
