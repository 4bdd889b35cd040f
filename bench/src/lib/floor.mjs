/**
 * The least a SCRAM-SHA-256 client can do: node:crypto calls around string concatenation, no checks but the signature.
 *
 * @module
 */
import { createHmac, hash, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import * as account from "./account.mjs";
import { ScriptedServer } from "./scripted-server.mjs";

const derive = promisify(pbkdf2);

/** One bare native call, the unit all client figures are ratios to. */
export const barePbkdf2 = () => derive(account.password, account.salt, account.iterations, 32, "sha256");

/** A whole exchange with derivation. */
export async function floorClient() {
  const exchange = new FloorClient();
  const server = new ScriptedServer();
  const serverFirst = server.first(exchange.first());
  const salted = await barePbkdf2();
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  const serverKey = createHmac("sha256", salted).update("Server Key").digest();
  exchange.verify(server.final(exchange.final(serverFirst, clientKey, serverKey)));
}

/** A whole exchange from keys at hand, synchronous. */
export function floorCached() {
  const exchange = new FloorClient();
  const server = new ScriptedServer();
  const serverFirst = server.first(exchange.first());
  exchange.verify(server.final(exchange.final(serverFirst, account.clientKey, account.serverKey)));
}

/** The calls into node:crypto that both ends together make when keys are at hand, and nothing else. */
export function bareCalls() {
  randomBytes(18);
  randomBytes(18);
  const key = hash("sha256", account.clientKey, "buffer");
  createHmac("sha256", key).update(sample).digest(); //           client: signature
  createHmac("sha256", account.serverKey).update(sample).digest(); // client: what the server will say
  createHmac("sha256", account.storedKey).update(sample).digest(); // server: signature
  hash("sha256", key, "buffer"); //                                server: stored key of the proof
  createHmac("sha256", account.serverKey).update(sample).digest(); // server: its own signature
}
const sample = "n=user,r=".padEnd(156, "x");

/** The client's side of one exchange; used once. */
export class FloorClient {
  #bare = `n=${account.username},r=${randomBytes(18).toString("base64")}`;
  #signature = "";

  first() {
    return `n,,${this.#bare}`;
  }

  /** @param {string} serverFirst @param {Buffer} clientKey @param {Buffer} serverKey */
  final(serverFirst, clientKey, serverKey) {
    const withoutProof = `c=biws,r=${serverFirst.slice(2, serverFirst.indexOf(",s="))}`;
    const authMessage = `${this.#bare},${serverFirst},${withoutProof}`;
    const proof = createHmac("sha256", hash("sha256", clientKey, "buffer"))
      .update(authMessage)
      .digest();
    for (let i = 0; i < proof.length; i++) proof[i] ^= clientKey[i];
    this.#signature = createHmac("sha256", serverKey).update(authMessage).digest("base64");
    return `${withoutProof},p=${proof.toString("base64")}`;
  }

  /** @param {string} serverFinal */
  verify(serverFinal) {
    if (serverFinal !== `v=${this.#signature}`) throw new Error("wrong server signature");
  }
}
