/**
 * The server every client is measured against: SCRAM-SHA-256 with stored keys, on bare node:crypto, no checks a client
 * could notice missing. The same object serves as the floor of what a server costs. Source: RFC 5802 §3, §5.
 *
 * @module
 */
import { createHmac, hash, randomBytes } from "node:crypto";
import { iterations, salt, serverKey, storedKey } from "./account.mjs";

const parameters = `,s=${salt.toString("base64")},i=${iterations}`;

/** One exchange; used once. */
export class ScriptedServer {
  #clientFirstBare = "";
  #serverFirst = "";

  /** @param {string} clientFirst with its GS2 header @returns {string} server-first-message */
  first(clientFirst) {
    this.#clientFirstBare = clientFirst.slice(clientFirst.indexOf(",", clientFirst.indexOf(",") + 1) + 1);
    const nonce = this.#clientFirstBare.slice(this.#clientFirstBare.indexOf(",r=") + 3);
    this.#serverFirst = `r=${nonce}${randomBytes(18).toString("base64")}${parameters}`;
    return this.#serverFirst;
  }

  /** @param {string} clientFinal @returns {string} server-final-message; throws when the proof is wrong */
  final(clientFinal) {
    const at = clientFinal.lastIndexOf(",p=");
    const authMessage = `${this.#clientFirstBare},${this.#serverFirst},${clientFinal.slice(0, at)}`;
    const key = createHmac("sha256", storedKey).update(authMessage).digest();
    const proof = Buffer.from(clientFinal.slice(at + 3), "base64");
    for (let i = 0; i < key.length; i++) key[i] ^= proof[i];
    if (hash("sha256", key, "base64") !== expected) throw new Error("wrong proof");
    return `v=${createHmac("sha256", serverKey).update(authMessage).digest("base64")}`;
  }
}

const expected = storedKey.toString("base64");
