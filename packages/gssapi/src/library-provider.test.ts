import { type GssProvider, krb5Oid } from "sasl-core/mechanisms";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { GssLibrary } from "./gss-library.js";
import { providerOn } from "./library-provider.js";

const flags = { mutual: true, sequence: false, integrity: false, confidentiality: false };
const toInitiate = { mechanism: krb5Oid, target: "imap@mail.example.com", principal: "alice", flags };
const toAccept = { mechanism: krb5Oid, target: "imap@mail.example.com" };
const token = Uint8Array.of(1, 2, 3);

/** RFC 2744 §3.9.1: a routine error. */
const failure = 0x000d0000;
const continueNeeded = 1;

/** Where a routine puts what its caller has to give back, after the minor status. */
const given: Readonly<Record<string, number>> = {
  gss_import_name: 3,
  gss_acquire_cred: 5,
  gss_init_sec_context: 2,
  gss_accept_sec_context: 1,
};
const outputs: Readonly<Record<string, number>> = { gss_init_sec_context: 10, gss_accept_sec_context: 7 };

/** The library as RFC 2744 has it, with nothing behind it but a count of what is out. */
class FakeLibrary {
  /** Addresses that nobody gave back. */
  readonly out = new Map<bigint, string>();
  /** What was called, with `aside` for another thread. */
  readonly calls: string[] = [];
  /** Major statuses of the next calls of a routine. */
  readonly statuses = new Map<string, number[]>();
  #next = 4096n;

  load(): { func(definition: string): never } {
    return {
      func: (definition) => {
        const name = /(\w+)\(/.exec(definition)?.[1] ?? "";
        const routine = (...args: readonly unknown[]): number => {
          this.calls.push(name);
          return this.#call(name, args as readonly Buffer[]);
        };
        const async = (...args: unknown[]): void => {
          const done = args.pop() as (error: unknown, major: number) => void;
          this.calls.push(`${name} aside`);
          setImmediate(() => done(null, this.#call(name, args as readonly Buffer[])));
        };
        return Object.assign(routine, { async }) as never;
      },
    };
  }
  address = (): bigint => 8n;
  decode = (_: bigint, __: string, length: number): Uint8Array => new Uint8Array(length);
  sizeof = (): number => 8;

  #call(name: string, args: readonly Buffer[]): number {
    if (name.startsWith("gss_release_") || name === "gss_delete_sec_context") {
      const place = args[1] as Buffer;
      const at = name === "gss_release_buffer" ? 8 : 0;
      const address = place.readBigUInt64LE(at);
      if (address !== 0n && !this.out.delete(address)) throw new Error(`${name} of what is not out`);
      place.fill(0);
      return 0;
    }
    const major = this.statuses.get(name)?.shift() ?? 0;
    const place = args[given[name] ?? -1];
    if (place && major !== failure && place.readBigUInt64LE() === 0n) this.#give(name, place, 0);
    const output = args[outputs[name] ?? -1];
    if (output) {
      output.writeBigUInt64LE(3n);
      this.#give(`token of ${name}`, output, 8);
    }
    return major;
  }

  #give(what: string, place: Buffer, at: number): void {
    place.writeBigUInt64LE(this.#next, at);
    this.out.set(this.#next++, what);
  }
}

describe("what the library gave is given back once", () => {
  let fake: FakeLibrary;
  let provider: GssProvider;
  beforeEach(() => {
    fake = new FakeLibrary();
    provider = providerOn(new GssLibrary(fake, "it"));
  });

  test("after a handshake at either end", async () => {
    fake.statuses.set("gss_init_sec_context", [continueNeeded]);
    const initiator = await provider.initiate(toInitiate);
    expect(await initiator.step(undefined)).toEqual({ token: new Uint8Array(3), done: false });
    expect(await initiator.step(token)).toEqual({ token: new Uint8Array(3), done: true });
    const acceptor = await provider.accept(toAccept);
    await acceptor.step(token);
    expect([...fake.out.values()].sort()).toEqual([
      "gss_accept_sec_context",
      "gss_acquire_cred",
      "gss_acquire_cred",
      "gss_import_name",
      "gss_import_name",
      "gss_import_name",
      "gss_init_sec_context",
    ]);
    initiator.dispose();
    acceptor.dispose();
    expect(fake.out.size).toBe(0);
  });

  test("after a step that fails, with the token that tells the peer of it", async () => {
    fake.statuses.set("gss_init_sec_context", [failure]).set("gss_accept_sec_context", [failure]);
    for (const begin of [() => provider.initiate(toInitiate), () => provider.accept(toAccept)]) {
      const context = await begin();
      await expect(context.step(token)).rejects.toThrow("gss_");
      context.dispose();
    }
    expect([...fake.out]).toEqual([]);
  });

  test("where there is no credential", async () => {
    fake.statuses.set("gss_acquire_cred", [failure, failure, failure]);
    await expect(provider.initiate(toInitiate)).rejects.toMatchObject({ code: "no-credentials" });
    await expect(provider.accept(toAccept)).rejects.toMatchObject({ code: "temporary" });
    expect([provider.canAccept(krb5Oid), provider.canAccept(krb5Oid)]).toEqual([false, true]);
    expect([...fake.out]).toEqual([]);
  });

  test("where an exchange ends while another thread is at it, and not before that thread is done", async () => {
    const context = await provider.accept(toAccept);
    const step = context.step(token);
    context.dispose();
    expect(fake.out.size).toBeGreaterThan(0);
    await step;
    expect([...fake.out]).toEqual([]);
  });
});

test("no library is called whose structures have another layout", () => {
  const narrow = Object.assign(new FakeLibrary(), { sizeof: () => 4 });
  expect(() => new GssLibrary(narrow, "it")).toThrow("64-bit");
  const spies = [
    vi.spyOn(process, "platform", "get").mockReturnValue("darwin"),
    vi.spyOn(process, "arch", "get").mockReturnValue("x64"),
  ];
  try {
    expect(() => new GssLibrary(new FakeLibrary(), "it")).toThrow("Mac");
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
});

test("whatever asks a KDC or DNS is called on another thread", async () => {
  const fake = new FakeLibrary();
  const provider = providerOn(new GssLibrary(fake, "it"));
  await (await provider.initiate(toInitiate)).step(undefined);
  await (await provider.accept(toAccept)).step(token);
  for (const routine of ["gss_acquire_cred", "gss_init_sec_context", "gss_accept_sec_context"]) {
    expect(fake.calls).toContain(`${routine} aside`);
    expect(fake.calls).not.toContain(routine);
  }
});
