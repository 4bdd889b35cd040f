/**
 * Section j: what a wrong password costs for an account there is and for a name nobody has. The two must not be told
 * apart, whatever accounts keep: verifiers or one-way hashes.
 *
 * @module
 */
import * as account from "../lib/account.mjs";
import { inProcess } from "../lib/measure.mjs";
import { bar, times } from "../lib/report.mjs";
import { measureTable } from "../lib/rows.mjs";

/** A tenth is less than what a network adds from one attempt to the next. */
const alike = 1.1;

/** @param {import("../main.mjs").Options} options */
export async function run(options) {
  const { memoryAccounts, SASLServer } = await import("sasl-core");
  const { plain, scramSha256 } = await import("sasl-core/mechanisms");
  const { argon2id } = await import("sasl-passwords");
  const { salt, iterations, storedKey, serverKey, username } = account;
  const verifier = { hash: "SHA-256", salt, iterations, storedKey, serverKey };
  const kinds = /** @type {const} */ ([
    ["a SCRAM verifier", { authPassword: [verifier] }],
    ["an argon2id hash", { passwordHash: [await argon2id.hash("another password")] }],
  ]);
  const tables = [];
  const bars = [];
  for (const [kind, properties] of kinds) {
    const server = new SASLServer({
      mechanisms: [plain, scramSha256],
      accounts: memoryAccounts({ [username]: properties }),
      passwordSchemes: [argon2id],
    });
    /** @param {string} name */
    const wrong = (name) => {
      const message = new TextEncoder().encode(`\0${name}\0a wrong password`);
      return async () => {
        const session = server.session({ secure: true });
        const code = await session.initiate("PLAIN", message).then(
          () => "success",
          (error) => error.code,
        );
        if (code !== "refused") throw new Error(`${name}: ${code}`);
      };
    };
    await wrong(username)(); // what is learnt from real accounts is learnt
    const { result, rows } = await measureTable(
      [
        inProcess("PLAIN, an account there is", wrong(username), { role: "reference" }),
        inProcess("PLAIN, a name nobody has", wrong("nobody"), { role: "ours" }),
      ],
      options,
      { title: `accounts with ${kind}`, metrics: ["wall", "cpu"] },
    );
    tables.push(...result.tables);
    const ratio = rows.find(({ role }) => role === "ours")?.ratio.wall.median;
    bars.push(bar(`a name nobody has, beside accounts with ${kind}`, ratio, "at most", alike, times));
    bars.push(bar("and the other way round", ratio === undefined ? undefined : 1 / ratio, "at most", alike, times));
  }
  return { tables, bars, missing: [], notes: [] };
}
