/**
 * What calls of the GSS-API library share: memory that OIDs live in, and what the library gave and wants back.
 *
 * @module
 */
import type { GssLibrary, Handle, Memory, Routine } from "./gss-library.js";
import { oidContent } from "./oid.js";

/** One library, and what belongs to it. */
export interface Gss {
  readonly native: GssLibrary;
  readonly oids: Oids;
  /** Lets go of contexts under layers when nobody has them any more. */
  readonly forgotten: FinalizationRegistry<Handles>;
}

/** OIDs in the memory they need for as long as anybody may look at it. */
export class Oids {
  readonly #native: GssLibrary;
  readonly #held = new Map<string, { readonly desc: Memory; readonly content: Memory; readonly set: Memory }>();

  constructor(native: GssLibrary) {
    this.#native = native;
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
      desc.writeBigUInt64LE(this.#native.address(content), 8);
      const set = Buffer.alloc(16);
      set.writeBigUInt64LE(1n);
      set.writeBigUInt64LE(this.#native.address(desc), 8);
      found = { desc, content, set };
      this.#held.set(dotted, found);
    }
    return found;
  }
}

/** What the library gave and wants back. */
export class Handles {
  readonly #native: GssLibrary;
  readonly #held: [routine: Routine, handle: Memory][] = [];

  constructor(native: GssLibrary) {
    this.#native = native;
  }

  /** A place for one handle, released by this routine. */
  place(routine: Routine): Memory {
    const memory = Buffer.alloc(8);
    this.#held.push([routine, memory]);
    return memory;
  }

  release(): void {
    for (const [routine, memory] of this.#held.splice(0).reverse()) this.#native.release(routine, memory);
  }
}

/** What the library put into a place. */
export const handleIn = (memory: Memory): Handle => memory.readBigUInt64LE();
