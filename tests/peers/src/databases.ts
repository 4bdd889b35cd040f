/**
 * The databases with accounts: a PostgreSQL, a directory, and a Redis for what is counted.
 *
 * @module
 */
import type { Run } from "./run.js";
import { type Postgres, startPostgres } from "./stores/postgresql.js";
import { type RunningRedis, startRedis } from "./stores/redis.js";
import { type Slapd, startSlapd } from "./stores/slapd.js";
import type { Tool } from "./tools.js";

/** Those that run. */
export interface Databases {
  readonly postgres: Postgres | undefined;
  readonly slapd: Slapd | undefined;
  readonly redis: RunningRedis | undefined;
}

/** Start what is installed; what does not start is a failure. They end with the run. */
export async function startDatabases({ children, scratch, report }: Run, tools: ReadonlySet<Tool>): Promise<Databases> {
  const start = async <T>(tool: Tool, how: () => Promise<T>): Promise<T | undefined> => {
    if (!tools.has(tool)) return undefined;
    const began = performance.now();
    try {
      const started = await how();
      report.note(`started ${tool} in ${((performance.now() - began) / 1000).toFixed(1)} s`);
      return started;
    } catch (error) {
      report.fail(tool, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  const [postgres, slapd, redis] = await Promise.all([
    start("postgresql", () => startPostgres(children, scratch)),
    start("slapd", () => startSlapd(children, scratch)),
    start("redis", () => startRedis(children, scratch)),
  ]);
  return { postgres, slapd, redis };
}
