/**
 * SCRAM keys in IndexedDB, where no script can read them: for users who need not type their password after each reload.
 *
 * The password goes from its octets straight into a key of WebCrypto that cannot be exported; SaltedPassword is at no time
 * an array in the page. ClientKey is, in each login, for as long as the proof takes.
 *
 * @module
 */
import type { HeldScramKeys, ScramKeys } from "../credentials.js";
import { equalBytes, wipe } from "../internal/bytes.js";
import type { ClientContext } from "../mechanism.js";
import { fits, judged, type ScramKeyRequest, type ScramKeyStore } from "../scram-key-cache.js";
import { importMacKey, macKey } from "./mac-key.js";
import { type BrowserStoreOptions, browserStore } from "./store.js";

/** Options of {@link browserKeyCache}. */
export interface BrowserKeyCacheOptions extends BrowserStoreOptions {
  /** Name of the database. Default `sasl-scram-keys`. */
  readonly database?: string | undefined;
}

/** Whom there are keys of. */
export interface KeptKeys {
  /** The `host` of the login; `undefined` when it had none. */
  readonly host: string | undefined;
  readonly username: string;
}

/** See {@link browserKeyCache}. */
export interface BrowserKeyCache extends ScramKeyStore {
  /** Who can log in without a password, in no order: with `keys: "cached"`. */
  list(): Promise<readonly KeptKeys[]>;
  /** Removes the keys of one user. */
  forget(user: { readonly host?: string | undefined; readonly username: string }): Promise<void>;
  /**
   * Removes all of them, those of logins under way too. Rejects when the database may still hold some: then say so, and let
   * the user clear the site's data.
   */
  clear(): Promise<void>;
}

/** An entry as it is stored. */
interface Entry extends Pick<ScramKeys, "hash" | "salt" | "iterations"> {
  readonly id: string;
  readonly host: string | undefined;
  readonly username: string;
  readonly saltedPassword: CryptoKey;
  readonly storedKey: CryptoKey;
  readonly serverKey: CryptoKey;
}

const clientLabel: Uint8Array = new TextEncoder().encode("Client Key");
const serverLabel: Uint8Array = new TextEncoder().encode("Server Key");

/** The hashes WebCrypto derives with; of others nothing is kept. */
const hashes: readonly string[] = ["SHA-1", "SHA-256", "SHA-384", "SHA-512"];

/**
 * A `keyCache` that outlives the page: one set of keys for each user of each server, of this origin alone. Keys appear after
 * the server was verified, and go when a login with them is refused or does not verify the server; a lost connection takes
 * none away. A password that was typed is never checked against the store, which holds nothing it could be guessed with more cheaply than with the keys.
 *
 * Where IndexedDB does not work keys stay in memory, and `onFallback` hears why, once.
 *
 * @throws {RangeError} for options out of range.
 */
export function browserKeyCache(options: BrowserKeyCacheOptions = {}): BrowserKeyCache {
  const store = browserStore<Entry>(options.database ?? "sasl-scram-keys", options);
  /** Which password an entry was made of, as far as this page has seen it typed: not for the disk. */
  const typed = new Map<string, { readonly entry: string; readonly fingerprint: Uint8Array }>();
  const pepper = crypto.getRandomValues(new Uint8Array(32));
  let last: Promise<unknown> = Promise.resolve();
  let cleared = 0;

  /** After what earlier logins still write. */
  function inOrder<R>(work: () => Promise<R>): Promise<R> {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  }

  async function keysFor(ctx: ClientContext, request: ScramKeyRequest): Promise<ScramKeys | HeldScramKeys | undefined> {
    const { digest, username, password, salt, iterations, derive } = request;
    if (!hashes.includes(digest.name)) return derive?.();
    const { host } = ctx;
    const key = keyOf({ host, username });
    const since = cleared;
    const known = typed.get(key);
    const fingerprint = password && (() => ctx.hmac(digest, pepper, password));
    // Nothing in the database fits a password that this page has not seen yet.
    if (!fingerprint || (known !== undefined && equalBytes(known.fingerprint, await fingerprint()))) {
      const entry = await inOrder(() => store.get(key));
      const held = heldKeys(entry);
      if (entry && held && (!fingerprint || known?.entry === entry.id) && fits(held, digest, salt, iterations)) {
        ctx.ended((ok, error) => {
          if (ok || !judged(error)) return;
          inOrder(() => store.change(key, (old) => (old?.id === entry.id ? undefined : old))).catch(() => {});
        });
        return held;
      }
    }
    if (!password || !fingerprint) return undefined;
    const [made, print] = await Promise.all([deriveHeld(request, password).catch(() => undefined), fingerprint()]);
    if (made === undefined) return derive?.(); // not every WebCrypto can; such keys are not kept
    ctx.ended((ok) => {
      if (!ok || since !== cleared) return;
      const id = crypto.randomUUID();
      typed.set(key, { entry: id, fingerprint: print });
      const write = async () => {
        await new Promise((resolve) => setTimeout(resolve)); // first the login goes on
        if (since !== cleared) return;
        await store.change(key, () => ({
          id,
          host,
          username,
          hash: made.hash,
          salt: made.salt,
          iterations: made.iterations,
          saltedPassword: made.saltedPassword.key,
          storedKey: made.storedKey.key,
          serverKey: made.serverKey.key,
        }));
      };
      inOrder(write).catch(() => {});
    });
    return made;
  }

  return {
    keysFor,
    list: () =>
      inOrder(async () => (await store.all()).filter(heldKeys).map(({ host, username }) => ({ host, username }))),
    forget: (user) =>
      inOrder(async () => {
        typed.delete(keyOf(user));
        await store.change(keyOf(user), () => undefined);
      }),
    clear() {
      cleared++;
      typed.clear();
      return inOrder(() => store.clear());
    },
  };
}

function keyOf({ host, username }: { readonly host?: string | undefined; readonly username: string }): string {
  return JSON.stringify([host ?? null, username]);
}

/** What another version, or somebody else, stored there is no entry. */
function heldKeys(entry: Entry | undefined): HeldScramKeys | undefined {
  try {
    const { hash, salt, iterations, saltedPassword, storedKey, serverKey } = entry as Entry;
    return {
      hash,
      salt: Uint8Array.from(salt),
      iterations,
      saltedPassword: macKey(saltedPassword),
      storedKey: macKey(storedKey),
      serverKey: macKey(serverKey),
    };
  } catch {
    return undefined;
  }
}

/** RFC 5802 §3, with one PBKDF2 (§2.2) whose result stays inside WebCrypto. */
async function deriveHeld({ digest, salt, iterations }: ScramKeyRequest, password: Uint8Array) {
  const { subtle } = crypto;
  const { name: hash, size } = digest;
  const base = await subtle.importKey("raw", password as BufferSource, "PBKDF2", false, ["deriveKey"]);
  const pbkdf2 = { name: "PBKDF2", hash, salt: salt as BufferSource, iterations };
  // Without the length it would be a block of the hash, and cost two PBKDF2.
  const hmac = { name: "HMAC", hash, length: size * 8 };
  const saltedPassword = macKey(await subtle.deriveKey(pbkdf2, base, hmac, false, ["sign"]));
  const sealed = (octets: Uint8Array) => importMacKey(hash, octets).finally(() => wipe(octets));
  const [storedKey, serverKey] = await Promise.all([
    saltedPassword.hmac(clientLabel).then(async (clientKey) => {
      const digested = subtle.digest(hash, clientKey as BufferSource).finally(() => wipe(clientKey));
      return sealed(new Uint8Array(await digested));
    }),
    saltedPassword.hmac(serverLabel).then(sealed),
  ]);
  return { hash, salt, iterations, saltedPassword, storedKey, serverKey };
}
