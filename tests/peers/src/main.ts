/**
 * `npm run test:peers`: our client against real servers, real clients against our server.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { accountsSide } from "./accounts-side.js";
import { adapters } from "./adapters/index.js";
import { exchangeAttempts } from "./attempts/exchanges.js";
import { clientSide } from "./client-side.js";
import { SaslLogin } from "./clients/sasl.js";
import { cyrusSrp } from "./cyrus-srp.js";
import { kerberosSide } from "./kerberos-side.js";
import { layersSide } from "./layers-side.js";
import { oneTimeSide } from "./one-time-side.js";
import { type Options, readOptions, usage } from "./options.js";
import { builtCommand, Run } from "./run.js";
import { sasl2Side } from "./sasl2-side.js";
import { serverSide } from "./server-side.js";
import { findTools } from "./tools.js";

const wrongUsage = 64;

async function main(): Promise<number> {
  let options: Options;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n${usage}\n`);
    return wrongUsage;
  }
  if (options.help) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const command = options.sasl ?? builtCommand;
  if (!existsSync(command)) {
    process.stderr.write(`${command} is missing: start this with npm run test:peers, which builds it\n`);
    return wrongUsage;
  }
  const run = new Run(options);
  stopOnSignals(run);
  try {
    await runAll(run, command);
  } catch (error) {
    if (!run.isOver) run.report.fail("the harness", messageOf(error));
  } finally {
    await run.end();
  }
  return options.list ? 0 : run.report.finish();
}

async function runAll(run: Run, command: string): Promise<void> {
  const { children, report, options } = run;
  const tools = await findTools(children, options.install, report);
  await run.attempts(exchangeAttempts(children, tools));
  const servers = await run.servers();
  const others = await run.clients(tools);
  const ours = new SaslLogin(children, command, run.scratch);
  await run.attempts(servers.flatMap((server) => clientSide(server, children, command, ours, others)));
  await sasl2Side(run, command, servers, others, tools);
  for (const adapter of adapters) await adapter(run, command, servers, others);
  await oneTimeSide(run, command, servers, ours, tools);
  await Promise.all([layersSide(run, tools), cyrusSrp(run)]); // which has something to build first
  await serverSide(run, command, [ours, ...others], tools);
  await kerberosSide(run, command, tools);
  await accountsSide(run, command, [ours, ...others], tools);
}

/** A run that is stopped still stops what it started. */
function stopOnSignals(run: Run): void {
  const stop = (why: string, status: number): void => {
    process.stderr.write(`\n${why}: stopping what was started\n`);
    void run.end().finally(() => process.exit(status));
  };
  process.once("SIGINT", () => stop("interrupted", 130)).once("SIGTERM", () => stop("terminated", 143));
  process.stdout.once("error", () => stop("nobody reads the report", 141)).on("error", () => {});
  process.stderr.on("error", () => {}); // the same reader, gone
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

process.exitCode = await main();
