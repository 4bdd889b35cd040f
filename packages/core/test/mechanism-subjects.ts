/** Every mechanism of ours with what the compliance suite has to know about it. */
import { encodeBase64 } from "../src/internal/base64.js";
import { decodeUtf8, encodeUtf8 } from "../src/internal/text.js";
import type { Mechanism } from "../src/mechanism.js";
import type { ScramHash } from "../src/mechanisms/index.js";
import * as exported from "../src/mechanisms/index.js";
import { memoryAccounts } from "../src/memory-accounts.js";
import { isMechanism } from "../src/read-plugins.js";
import { ScramKeyCache } from "../src/scram-key-cache.js";
import type { Corruption, MechanismCheckOptions } from "../src/testing.js";
import { type ScramInputs, verifierOf } from "./exchanges.js";
import { acceptToken, binding, user } from "./support.js";

/** Every mechanism that is exported, by name: the table below has to have each of them. */
export const exportedMechanisms: ReadonlyMap<string, Mechanism> = new Map(
  (Object.values(exported) as unknown[]).filter(isMechanism).map((each) => [each.name, each]),
);

const accounts = memoryAccounts({ [user.username]: user.password });
const wrongPassword = { username: user.username, password: "something else" };

const password: MechanismCheckOptions = { credentials: user, wrong: wrongPassword, server: { accounts } };

const token: MechanismCheckOptions = {
  credentials: user,
  wrong: { username: user.username, token: "another.token00" },
  server: { accounts, tokens: acceptToken, host: "imap.example.com", port: 143 },
};

/** Fields whose names nobody knows and the case of the scheme decide nothing; the token does. */
const sameToken = ({ received }: Corruption): boolean => {
  const text = textOf(received);
  return /\u0001auth=bearer +/i.test(text) && text.includes(`${user.token}\u0001`);
};

function textOf(bytes: Uint8Array | undefined): string {
  try {
    return decodeUtf8(bytes ?? new Uint8Array(0));
  } catch {
    return "";
  }
}

const hashes = (Object.values(exported) as unknown[]).filter(
  (each): each is ScramHash => typeof each === "object" && each !== null && "digest" in each,
);
/** SHA-256 with a count as in life; the others are made of the same code, and SHA3-512 takes long in browsers. */
const countFor = ({ name }: ScramHash) => (name === "SCRAM-SHA-256" ? 4096 : 256);
const verifiers = await Promise.all(
  hashes.map((hash, i) => {
    const salt_b64 = encodeBase64(encodeUtf8(`salt of tim ${1000 + i}`));
    const inputs = { password: user.password, salt_b64, iterations: countFor(hash) };
    return verifierOf(inputs as ScramInputs, hash.name);
  }),
);

const scram = (hash: ScramHash): MechanismCheckOptions => ({
  credentials: user,
  wrong: wrongPassword,
  server: { accounts: memoryAccounts({ [user.username]: { authPassword: verifiers } }) },
  connection: { channelBinding: binding },
  client: { keyCache: new ScramKeyCache(), iterations: { min: countFor(hash) } },
  rounds: hash.name === "SCRAM-SHA-256" ? 2 : 1,
});

/** What the suite has to know, by name. */
export const subjects: Readonly<Record<string, MechanismCheckOptions>> = {
  PLAIN: password,
  LOGIN: { ...password, harmless: ({ from, index }) => from === "server" && index < 2 }, // R-LOGIN-02: prompts mean nothing
  "CRAM-MD5": password,
  ANONYMOUS: {
    credentials: { trace: "sirhc" },
    identity: "nobody",
    server: { accounts, anonymous: "nobody" },
    harmless: ({ from }) => from === "client", // the trace decides nothing
  },
  EXTERNAL: {
    credentials: { authzid: user.username },
    wrong: { authzid: "anna" },
    identity: user.username,
    server: { accounts },
    connection: { external: { names: [user.username] } },
    harmless: ({ received }) => received?.length === 0, // whom the channel names, who is the same
  },
  OAUTHBEARER: { ...token, harmless: sameToken },
  XOAUTH2: { ...token, harmless: sameToken },
  ...Object.fromEntries(
    hashes.flatMap((hash) => [
      [hash.name, scram(hash)],
      [`${hash.name}-PLUS`, scram(hash)],
    ]),
  ),
};
