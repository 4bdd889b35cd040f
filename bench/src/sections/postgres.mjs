/**
 * Section h: logins with accounts in PostgreSQL, a thousand at a time, beside what the database and its driver give when
 * asked for one row by its primary key and nothing else. All of it on this machine at once: database, server and load.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
// @ts-expect-error: its types are with the store's package
import pg from "pg";
import * as account from "../lib/account.mjs";
import { spread } from "../lib/measure.mjs";
import { bar, emptyResult, perSecond, range, times, us } from "../lib/report.mjs";

const atOnce = 1000;
const accountsHeld = 20_000;
/** As many as the store opens. */
const connections = 10;
const inThisProcess = "> SASLServer, with its clients in this process";
const overTcp = "> sasl-imap server: the same";
const harness = new URL("../../../tests/peers/dist/", import.meta.url);

/**
 * @typedef {object} Candidate
 * @property {string} name
 * @property {(milliseconds: number) => Promise<{ rate: number, cpu?: number }>} run
 */

/** @param {import("../main.mjs").Options} options */
export async function run({ quick }) {
  const result = emptyResult();
  const [rounds, milliseconds] = quick ? [2, 700] : [7, 2000];
  const database = await startDatabase();
  if (typeof database === "string") {
    result.missing.push(database);
    return result;
  }
  /** @type {(() => unknown)[]} */
  const closing = [database.close];
  try {
    const candidates = await prepare(database.url, closing);
    /** @type {{ rate: number, cpu?: number }[][]} */
    const samples = candidates.map(() => []);
    for (const candidate of candidates) await candidate.run(milliseconds);
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < candidates.length; turn++) {
        const i = (turn + round) % candidates.length;
        samples[i].push(await candidates[i].run(milliseconds));
      }
    }
    result.tables.push({
      head: ["", "each second", "CPU of this process each", "ratio (range)"],
      rows: candidates.map(({ name }, i) => {
        const cpu = spread(samples[i].map((sample) => sample.cpu ?? Number.NaN)).median;
        return [
          name,
          range(spread(samples[i].map(({ rate }) => rate)), perSecond),
          Number.isNaN(cpu) ? "-" : us(cpu),
          range(spread(samples[i].map(({ rate }, round) => rate / samples[0][round].rate)), times),
        ];
      }),
    });
    for (const [what, name] of [
      ["with the clients in the server's process", inThisProcess],
      ["over TCP", overTcp],
    ]) {
      const { median } = spread(samples[candidates.findIndex((each) => each.name === name)].map(({ rate }) => rate));
      result.bars.push(bar(`SCRAM logins, ${atOnce} at a time, ${what}`, median, "at least", 2000, perSecond));
    }
    result.notes.push(`${accountsHeld} accounts, ${connections} connections to the database, client keys at hand`);
    result.notes.push("over TCP each login opens a connection: the floor says what that leaves, without any database");
  } finally {
    for (const close of closing.reverse()) await close();
  }
  return result;
}

/** @param {string} url @param {(() => unknown)[]} closing @returns {Promise<Candidate[]>} */
async function prepare(url, closing) {
  const { SASLServer, SASLStateMachine } = await import("sasl-core");
  const { SCRAM, scramSha256 } = await import("sasl-core/mechanisms");
  const { postgresAccounts } = await import("sasl-store-sql");
  const accounts = await postgresAccounts(url, { maxConnections: connections });
  closing.push(() => accounts.close());
  const pool = new pg.Pool({ connectionString: url, max: connections });
  pool.on("error", () => {}); // its connections may outlive it by a moment, and the database goes next
  closing.push(() => pool.end());
  await fill(accounts, pool);

  const { salt, iterations, clientKey, serverKey } = account;
  const keys = { hash: "SHA-256", salt, iterations, clientKey, serverKey };
  const names = Array.from({ length: atOnce }, (_, i) => `user${i * Math.floor(accountsHeld / atOnce)}`);
  const clients = names.map((username) => SCRAM({ username, keys }));
  const server = new SASLServer({ mechanisms: [scramSha256], accounts });
  const connection = { secure: true, successData: true };
  const select = { name: "one", text: "select value from sasl_properties where account = $1 and property = $2" };
  const load = startLoad(closing);
  const bare = await startServer(closing, "bare-server.mjs");
  const ours = await startServer(closing, "postgres-server.mjs", url);
  return [
    inFlight("= bare pg: a prepared SELECT by primary key", (i) =>
      pool.query({ ...select, values: [names[i], "authPassword"] }),
    ),
    inFlight("  sasl-store-sql: look-up", (i) => accounts.lookup(names[i], ["authPassword", "userPassword"])),
    inFlight(inThisProcess, (i) =>
      clients[i].authenticate(new SASLStateMachine(server.session(connection)), "SCRAM-SHA-256"),
    ),
    { name: "  floor: bare Node server, no database: connect, SCRAM-SHA-256, close", run: (ms) => load(bare, ms) },
    { name: overTcp, run: (ms) => load(ours, ms) },
  ];
}

/**
 * `once`, as often as it goes, with {@link atOnce} of them under way.
 *
 * @param {string} name
 * @param {(i: number) => Promise<unknown>} once
 * @returns {Candidate}
 */
function inFlight(name, once) {
  return {
    name,
    async run(milliseconds) {
      const cpu = process.cpuUsage();
      const started = performance.now();
      let done = 0;
      const worker = async (/** @type {number} */ i) => {
        while (performance.now() - started < milliseconds) {
          await once(i);
          done++;
        }
      };
      await Promise.all(Array.from({ length: atOnce }, (_, i) => worker(i)));
      const { user, system } = process.cpuUsage(cpu);
      return { rate: (done * 1000) / (performance.now() - started), cpu: (user + system) / done };
    },
  };
}

/** All accounts have the same verifier; the load logs in to one more, the one it knows. */
async function fill(
  /** @type {import("sasl-core").AccountStore} */ accounts,
  /** @type {{ query(text: string, values?: unknown[]): Promise<unknown> }} */ pool,
) {
  const { salt, iterations, storedKey, serverKey, username } = account;
  await accounts.store?.(username, { authPassword: [{ hash: "SHA-256", salt, iterations, storedKey, serverKey }] });
  const series = "generate_series(0, $1 - 1) as i";
  await pool.query(`insert into sasl_accounts (name) select 'user' || i from ${series}`, [accountsHeld]);
  await pool.query(
    `insert into sasl_properties select 'user' || i, property, value from sasl_properties, ${series} where account = $2`,
    [accountsHeld, username],
  );
  await pool.query("analyze sasl_accounts");
  await pool.query("analyze sasl_properties");
}

/** @returns {Promise<{ url: string, close: () => Promise<void> } | string>} or why there is none */
async function startDatabase() {
  const module = new URL("stores/postgresql.js", harness);
  if (!existsSync(module)) return "PostgreSQL: tests/peers is not built";
  const { Children } = await import(new URL("children.js", harness).href);
  const { postgresPrograms, startPostgres } = await import(module.href);
  if (postgresPrograms() === undefined) return "PostgreSQL: not installed (apt-get install postgresql)";
  const folder = mkdtempSync(join(tmpdir(), "sasl-bench-"));
  chmodSync(folder, 0o755);
  const children = new Children();
  const close = async () => {
    await children.stopAll();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const database = await startPostgres(children, folder);
    return {
      url: database.url,
      async close() {
        await database.stop();
        await close();
      },
    };
  } catch (error) {
    await close();
    return `PostgreSQL: did not start: ${String(error).split("\n")[0]}`;
  }
}

/** @param {string} file @param {string[]} args */
function startChild(file, ...args) {
  const path = fileURLToPath(new URL(`../children/${file}`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const ended = new Promise((resolve) => child.once("close", resolve));
  return {
    child,
    /** The next line as JSON. @returns {Promise<any>} */
    async answer() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${file} ended`);
      return JSON.parse(value);
    },
    async close() {
      child.kill();
      await ended;
    },
  };
}

/** @param {(() => unknown)[]} closing @param {string} file @param {string[]} args @returns {Promise<number>} its port */
async function startServer(closing, file, ...args) {
  const server = startChild(file, ...args);
  closing.push(server.close);
  return (await server.answer()).imap;
}

/** The load of section e, in a process of its own. @param {(() => unknown)[]} closing */
function startLoad(closing) {
  const load = startChild("load.mjs");
  closing.push(load.close);
  return async (/** @type {number} */ port, /** @type {number} */ milliseconds) => {
    load.child.stdin.write(`${port} ${milliseconds} ${atOnce}\n`);
    const { logins, seconds, failures, failure } = await load.answer();
    if (failures > 0) throw new Error(`${failures} logins failed: ${failure}`);
    return { rate: logins / seconds };
  };
}
