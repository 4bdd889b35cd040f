/** SCRAM with every hash, bound and unbound. */
import { encodeBase64 } from "../../src/internal/base64.js";
import { encodeUtf8 } from "../../src/internal/text.js";
import type { ScramHash } from "../../src/mechanisms/index.js";
import * as exported from "../../src/mechanisms/index.js";
import { memoryAccounts } from "../../src/memory-accounts.js";
import { ScramKeyCache } from "../../src/scram-key-cache.js";
import type { MechanismCheckOptions } from "../../src/testing.js";
import { type ScramInputs, verifierOf } from "../exchanges.js";
import { binding, user } from "../support.js";
import { type Subjects, wrongPassword } from "./shared.js";

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

export const subjects: Subjects = Object.fromEntries(
  hashes.flatMap((hash) => [
    [hash.name, scram(hash)],
    [`${hash.name}-PLUS`, scram(hash)],
  ]),
);
