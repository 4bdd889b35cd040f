/**
 * The C interface of the GSS-API (RFC 2744), called in the library of the system through `koffi`.
 * Structures are laid out by hand: there are four of them, and one layout on every 64-bit Unix that is called at all.
 *
 * @module
 */
import { createRequire } from "node:module";
import { endianness } from "node:os";

/** As much of `koffi` as is used here. */
interface Koffi {
  load(path: string): { func(definition: string): ForeignFunction };
  address(value: unknown): bigint;
  decode(address: bigint, type: string, length: number): Uint8Array;
  sizeof(type: string): number;
}

interface ForeignFunction {
  (...args: readonly unknown[]): number;
  async(...args: readonly unknown[]): void;
}

/** A name, a credential or a context of the library; 0 is none. */
export type Handle = bigint;
export const none: Handle = 0n;

/** Memory of ours that the library reads or writes; keep it for as long as that may happen. */
export type Memory = Buffer;

/** Routines that are used, as RFC 2744 declares them, all pointers untyped. */
const routines = {
  gss_import_name: "void *minor, void *buffer, void *type, void *name",
  gss_display_name: "void *minor, void *name, void *buffer, void *type",
  gss_release_name: "void *minor, void *name",
  gss_acquire_cred:
    "void *minor, void *name, uint32_t time, void *mechs, int usage, void *cred, void *actual, void *time_rec",
  gss_release_cred: "void *minor, void *cred",
  gss_init_sec_context:
    "void *minor, void *cred, void *context, void *target, void *mech, uint32_t flags, uint32_t time, void *bindings, void *input, void *actual, void *output, void *ret_flags, void *time_rec",
  gss_accept_sec_context:
    "void *minor, void *context, void *cred, void *input, void *bindings, void *source, void *mech, void *output, void *ret_flags, void *time_rec, void *delegated",
  gss_delete_sec_context: "void *minor, void *context, void *token",
  gss_inquire_context:
    "void *minor, void *context, void *source, void *target, void *lifetime, void *mech, void *flags, void *local, void *open",
  gss_wrap: "void *minor, void *context, int conf, uint32_t qop, void *input, void *state, void *output",
  gss_unwrap: "void *minor, void *context, void *input, void *output, void *state, void *qop",
  gss_wrap_size_limit: "void *minor, void *context, int conf, uint32_t qop, uint32_t size, void *max",
  gss_get_mic: "void *minor, void *context, uint32_t qop, void *message, void *token",
  gss_verify_mic: "void *minor, void *context, void *message, void *token, void *qop",
  gss_display_status: "void *minor, uint32_t status, int type, void *mech, void *more, void *buffer",
  gss_release_buffer: "void *minor, void *buffer",
} as const;

/** Not in RFC 2744, and not in every library. */
const extensions = {
  gss_localname: "void *minor, void *name, void *mech, void *buffer",
  gss_inquire_sec_context_by_oid: "void *minor, void *context, void *oid, void *set",
  gss_release_buffer_set: "void *minor, void *set",
  gss_set_cred_option: "void *minor, void *cred, void *oid, void *value",
} as const;

export type Routine = keyof typeof routines | keyof typeof extensions;

/** What the library said about a routine that failed. */
export class GssError extends Error {
  override readonly name = "GssError";
}

/** RFC 2744 §3.9.1: errors are in the upper octets, the lower ones only inform. */
const errorMask = 0xffff0000;
const pointerOctets = 8;
const bufferOctets = 16;

/** The library, loaded. */
export class GssLibrary {
  readonly #koffi: Koffi;
  readonly #functions = new Map<Routine, ForeignFunction>();

  /** @throws whatever `koffi` throws where there is no such library, or a routine is missing; where structures are others. */
  constructor(koffi: Koffi, path: string) {
    const packed = process.platform === "darwin" && process.arch === "x64"; // gssapi.h packs structures there
    if (koffi.sizeof("void *") !== pointerOctets || endianness() !== "LE" || packed)
      throw new Error("the GSS-API is called on 64-bit little-endian systems alone, and not on a Mac of Intel's");
    this.#koffi = koffi;
    const library = koffi.load(path);
    const define = ([name, args]: [string, string]) =>
      this.#functions.set(name as Routine, library.func(`uint32_t ${name}(${args})`));
    for (const each of Object.entries(routines)) define(each);
    for (const each of Object.entries(extensions)) {
      try {
        define(each);
      } catch {
        // an older library; what uses it asks `has`
      }
    }
  }

  has(routine: Routine): boolean {
    return this.#functions.has(routine);
  }

  /** Calls a routine, whose first argument is added here. @returns its major status. @throws {GssError} */
  call(routine: Routine, ...args: readonly unknown[]): number {
    const minor = Buffer.alloc(4);
    return this.#check(routine, this.#function(routine)(minor, ...args), minor);
  }

  /** The same on another thread; nothing that is passed may be used meanwhile. */
  callAside(routine: Routine, ...args: readonly unknown[]): Promise<number> {
    const minor = Buffer.alloc(4);
    const inUse: unknown[] = [minor, ...args];
    return new Promise((resolve, reject) => {
      this.#function(routine).async(...inUse, (error: unknown, major: number) => {
        inUse.length = 0; // until here nobody may collect the memory that was passed
        try {
          if (error) throw error;
          resolve(this.#check(routine, major, minor));
        } catch (failure) {
          reject(failure);
        }
      });
    });
  }

  /** Lets go of what a routine gave; `release` clears it, and none is left alone. */
  release(routine: Routine, handle: Memory): void {
    const rest = routine === "gss_delete_sec_context" ? [null] : []; // its token, which nobody sends (RFC 2744 §5.9)
    if (handle.readBigUInt64LE() !== none) this.#function(routine)(Buffer.alloc(4), handle, ...rest);
    handle.fill(0);
  }

  /** The address of memory of ours, which somebody has to hold for as long as it is used. */
  address(memory: Memory): bigint {
    return this.#koffi.address(memory);
  }

  /** A gss_buffer_desc that is filled by the library. */
  emptyBuffer(): Memory {
    return Buffer.alloc(bufferOctets);
  }

  /** A gss_buffer_desc with a copy of these octets right behind it. */
  buffer(octets: Uint8Array | string): Memory {
    const content = Buffer.from(octets);
    const memory = Buffer.concat([this.emptyBuffer(), content]);
    memory.writeBigUInt64LE(BigInt(content.length));
    memory.writeBigUInt64LE(this.address(memory) + BigInt(bufferOctets), pointerOctets);
    return memory;
  }

  /** The octets of a buffer the library filled, which is then released. */
  take(desc: Memory): Uint8Array {
    const length = Number(desc.readBigUInt64LE());
    const copy = this.copy(desc.readBigUInt64LE(pointerOctets), length);
    this.#function("gss_release_buffer")(Buffer.alloc(4), desc);
    return copy;
  }

  /** Memory of the library, copied. */
  copy(address: bigint, length: number): Uint8Array {
    if (length === 0 || address === 0n) return new Uint8Array(0);
    return this.#koffi.decode(address, "uint8_t", length);
  }

  #function(routine: Routine): ForeignFunction {
    const found = this.#functions.get(routine);
    if (found === undefined) throw new GssError(`this library has no ${routine}`);
    return found;
  }

  #check(routine: Routine, major: number, minor: Memory): number {
    if ((major & errorMask) >>> 0 === 0) return major;
    const reasons = [this.#text(major, 1), minor.readUInt32LE() !== 0 && this.#text(minor.readUInt32LE(), 2)]
      .filter(Boolean)
      .join(": ");
    throw new GssError(`${routine}: ${reasons}`);
  }

  /** @param type 1 of a major status, 2 of a minor one (RFC 2744 §5.11). */
  #text(status: number, type: number): string {
    const desc = this.emptyBuffer();
    const major = this.#function("gss_display_status")(Buffer.alloc(4), status, type, null, Buffer.alloc(4), desc);
    return major === 0 ? Buffer.from(this.take(desc)).toString("utf8") : "";
  }
}

/** Where the library is, as the loader of the system finds it. */
const usualPaths: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: "libgssapi_krb5.so.2",
  freebsd: "libgssapi_krb5.so.2",
  openbsd: "libgssapi_krb5.so",
};

/** @throws where `koffi` or the library is not there. */
export function loadLibrary(path: string | undefined = usualPaths[process.platform]): GssLibrary {
  if (path === undefined) throw new Error(`no GSS-API library is known for ${process.platform}: name one`);
  return new GssLibrary(createRequire(import.meta.url)("koffi") as Koffi, path);
}
