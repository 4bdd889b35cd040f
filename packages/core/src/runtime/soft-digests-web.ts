import { hmac } from "@noble/hashes/hmac.js";
import { _SHA1, md5 as nobleMd5 } from "@noble/hashes/legacy.js";
import { pbkdf2Async } from "@noble/hashes/pbkdf2.js";
import { sha224 as nobleSha224 } from "@noble/hashes/sha2.js";
import { sha3_512 as nobleSha3 } from "@noble/hashes/sha3.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import type { Digest } from "./contract.js";
import { fromOctetText, toOctetText } from "./web.js";

function softDigest(name: string, hash: typeof nobleSha224 | typeof nobleMd5 | typeof nobleSha3): Digest {
  return {
    name,
    size: hash.outputLen,
    hash: (data) => hash(data),
    hmac: (key, data) => hmac(hash, key, data),
    // Gives the event loop back every 10 ms (asyncTick), since this one does run on the main thread.
    pbkdf2: (password, salt, iterations) =>
      pbkdf2Async(hash, password, salt, { c: iterations, dkLen: hash.outputLen, asyncTick: 10 }),
  };
}

export const md5: Digest = /* @__PURE__ */ softDigest("MD5", nobleMd5);
export const sha224: Digest = /* @__PURE__ */ softDigest("SHA-224", nobleSha224);
export const sha3_512: Digest = /* @__PURE__ */ softDigest("SHA3-512", nobleSha3);

export function md5OfText(text: string, form: "hex" | "octets"): string {
  const digest = nobleMd5(fromOctetText(text));
  return form === "hex" ? bytesToHex(digest) : toOctetText(digest);
}

export function keyedMd5(key: Uint8Array): (head: Uint8Array, body: Uint8Array) => Uint8Array {
  const keyed = hmac.create(nobleMd5, key); // the two blocks of the key are hashed here, and not again for each buffer
  return (head, body) => keyed.clone().update(head).update(body).digest();
}

/** Never an `import()` here: bundlers would keep the library in every program, as something that might be loaded. */
export function settableSha1(): typeof _SHA1 {
  return _SHA1;
}
