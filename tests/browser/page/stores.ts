/**
 * Logins at a server in the page itself, with what the browser keeps from one page to the next.
 *
 * @module
 */
import { authenticate, isSASLError, makeScramVerifier, memoryAccounts, SASLServer } from "sasl-core";
import { browserKeyCache } from "sasl-core/browser";
import { hashSha256, SCRAM, scramSha256 } from "sasl-core/mechanisms";
import { browserFastTokens } from "sasl-xmpp/browser";

const reasons: string[] = [];
const onFallback = (reason: unknown) => reasons.push(reason instanceof Error ? reason.name : String(reason));
const keyCache = browserKeyCache({ onFallback });
const tokens = browserFastTokens({ onFallback });
const account = "alice@example.com";

/** @returns `verified`, or the code of the error. */
async function logIn(how: "typed" | "cached", password = "pencil"): Promise<string> {
  const verifier = await makeScramVerifier(hashSha256, "pencil", {
    iterations: 4096,
    salt: new Uint8Array(16).fill(1),
  });
  const accounts = memoryAccounts({ alice: { authPassword: [verifier] } });
  const server = new SASLServer({ mechanisms: [scramSha256], accounts });
  const credentials =
    how === "typed" ? { username: "alice", password } : { username: "alice", keys: "cached" as const };
  const options = { host: "example.com", keyCache };
  try {
    const outcome = await authenticate(
      server.session({ secure: true }),
      ["SCRAM-SHA-256"],
      [SCRAM(credentials)],
      options,
    );
    return outcome.serverVerified ? "verified" : "not verified";
  } catch (error) {
    return isSASLError(error) ? error.code : String(error);
  }
}

/** What a script of the page can get out of the database: of each key, what exporting it comes to. */
async function readable(database: string): Promise<readonly string[]> {
  const rows = await new Promise<readonly { value: Record<string, unknown> }[]>((resolve, reject) => {
    const opened = indexedDB.open(database);
    opened.onerror = () => reject(opened.error);
    opened.onsuccess = () => {
      const request = opened.result.transaction("entries").objectStore("entries").getAll();
      request.onsuccess = () => {
        opened.result.close();
        resolve(request.result);
      };
    };
  });
  const keys = rows.flatMap(({ value }) => Object.values(value)).filter((each) => each instanceof CryptoKey);
  const exported = keys.map((key) =>
    crypto.subtle.exportKey("raw", key).then(
      () => "readable",
      (error: DOMException) => error.name,
    ),
  );
  return Promise.all(exported);
}

/** Opens the database as a later version of this program would. It stays open. */
function upgrade(database: string): Promise<string> {
  return new Promise((resolve) => {
    const opened = indexedDB.open(database, 2);
    opened.onblocked = () => resolve("blocked");
    opened.onsuccess = () => resolve("upgraded");
    opened.onerror = () => resolve("failed");
  });
}

function remove(database: string): Promise<string> {
  return new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(database);
    request.onblocked = () => resolve("blocked");
    request.onsuccess = () => resolve("removed");
    request.onerror = () => resolve("failed");
  });
}

/** @returns the HMAC of one octet with the token that is kept, and how often that was used. */
async function useToken(): Promise<string> {
  const kept = await tokens.get(account);
  if (kept === undefined || typeof kept.token === "string") return "no key";
  await tokens.set(account, { ...kept, count: kept.count + 1 });
  const mac = await kept.token.hmac(Uint8Array.of(1));
  return `${[...mac.subarray(0, 4)].join(" ")}, ${kept.count}`;
}

const stores = {
  logIn,
  readable,
  upgrade,
  remove,
  useToken,
  users: () => keyCache.list(),
  reasons: () => reasons,
  userAgentId: () => tokens.userAgentId(account),
  keepToken: (token: string) =>
    tokens.set(account, { mechanism: "HT-SHA-256-NONE", token, expires: 9e15, userAgent: "phone", count: 0 }),
  async clear() {
    await Promise.all([keyCache.clear(), tokens.clear()]);
  },
};

Object.assign(globalThis, { stores });
