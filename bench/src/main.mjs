/**
 * `npm run bench [-- SECTION… --quick --json FILE]`: speed, memory and size beside the peers.
 * README.md says how to read it. Never fails because a bar is missed, only because something broke.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { closeNative } from "./lib/native.mjs";
import { printResult } from "./lib/report.mjs";

/**
 * @typedef {object} Options
 * @property {boolean} quick
 * @property {number} rounds of an interleaved run
 * @property {number} slotMs how long one candidate runs in one round
 */

/** What each letter measures. Loaded when asked for, so that one section's peers do not disturb another. */
const sections = {
  a: { title: "client: SCRAM-SHA-256 at 4096 iterations, whole exchange", file: "./sections/client.mjs" },
  b: { title: "main thread: event loop time per login, and while 200 log in", file: "./sections/main-thread.mjs" },
  c: { title: "client and server together, keys at hand", file: "./sections/both-ends.mjs" },
  d: { title: "server half alone; PLAIN at both ends", file: "./sections/server.mjs" },
  e: { title: "sasl serve over loopback TCP: connect, SCRAM-SHA-256, close", file: "./sections/network.mjs" },
  f: { title: "memory: half-open exchanges, idle connections", file: "./sections/memory.mjs" },
  g: { title: "weight: bundle size, import time, first login", file: "./sections/weight.mjs" },
  h: { title: "accounts in PostgreSQL: 1,000 logins at a time", file: "./sections/postgres.mjs" },
  i: { title: "accounts in a file: 100,000 of them", file: "./sections/file-store.mjs" },
  j: { title: "a wrong password, for an account and for a name nobody has", file: "./sections/unknown-users.mjs" },
  k: { title: "DIGEST-MD5 and CRAM-MD5 at both ends; integrity layer", file: "./sections/digest-md5.mjs" },
  l: { title: "reconnecting to an XMPP server: a token, and the password", file: "./sections/fast.mjs" },
};

const usage = `usage: npm run bench -- [SECTION…] [--quick] [--rounds N] [--json FILE]
${Object.entries(sections)
  .map(([letter, { title }]) => `  ${letter}  ${title}`)
  .join("\n")}`;

/** @returns {{ letters: (keyof typeof sections)[], options: Options, json: string | undefined } | undefined} */
function parse() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: "boolean", default: false },
        rounds: { type: "string" },
        json: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    const letters = /** @type {(keyof typeof sections)[]} */ (
      positionals.length > 0 ? positionals : Object.keys(sections)
    );
    const unknown = letters.find((letter) => !Object.hasOwn(sections, letter));
    if (unknown !== undefined) throw new Error(`no section ${JSON.stringify(unknown)}`);
    if (values.rounds !== undefined && !/^[1-9]\d{0,3}$/.test(values.rounds))
      throw new Error("--rounds takes 1 to 9999");
    if (values.help) return undefined;
    const quick = values.quick;
    const rounds = values.rounds === undefined ? (quick ? 3 : 15) : Number(values.rounds);
    return { letters, options: { quick, rounds, slotMs: quick ? 40 : 150 }, json: values.json };
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return undefined;
  }
}

async function main() {
  const parsed = parse();
  if (parsed === undefined) {
    console.error(usage);
    process.exitCode = process.argv.includes("--help") || process.argv.includes("-h") ? 0 : 64;
    return;
  }
  const { letters, options, json } = parsed;
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? "unknown CPU"}, Node ${process.versions.node}`;
  const started = Date.now();
  console.log(`${machine}; ${options.rounds} rounds of ${options.slotMs} ms per candidate`);
  console.log(
    "ratio: median of the round-by-round ratios to the row marked = (least..greatest); absolute times are this machine's, now",
  );
  /** @type {Record<string, import("./lib/report.mjs").SectionResult>} */
  const results = {};
  try {
    for (const letter of letters) {
      const { title, file } = sections[letter];
      console.log(`\n${letter}. ${title}`);
      const section = await import(file);
      results[letter] = await section.run(options);
      printResult(results[letter]);
    }
  } finally {
    closeNative();
  }
  summary(results);
  if (json !== undefined) {
    writeFileSync(
      json,
      `${JSON.stringify({ machine, options, seconds: (Date.now() - started) / 1000, results }, null, 2)}\n`,
    );
    console.log(`\nwritten to ${json}`);
  }
}

/** @param {Record<string, import("./lib/report.mjs").SectionResult>} results */
function summary(results) {
  const bars = Object.values(results).flatMap((result) => result.bars);
  const missing = Object.values(results).flatMap((result) => result.missing);
  const count = (/** @type {string} */ verdict) => bars.filter((bar) => bar.verdict === verdict).length;
  console.log(
    `\n${bars.length} bars: ${count("met")} met, ${count("not met")} not met, ${count("not measured")} not measured`,
  );
  if (missing.length > 0) console.log(`!! incomplete: ${missing.length} rows could not be measured, see above`);
}

await main();
