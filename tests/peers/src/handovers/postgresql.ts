/**
 * PostgreSQL: the verifiers of roles.
 *
 * @module
 */
import { passwordOf } from "../accounts.js";
import { atPostgres, type Holder } from "../attempts/handover.js";
import { lastWords } from "../clients/verdict.js";
import type { Postgres } from "../stores/postgresql.js";
import { type Handover, type HandoverFacts, madePassword } from "./handover.js";

/** psql applies what is exported, then logs in with the password; roles made there are imported from two outputs of it. */
export async function postgresHandover({ databases, from, into }: HandoverFacts): Promise<Handover> {
  const { postgres } = databases;
  if (postgres === undefined) return { attempts: [], imported: [] };
  const exported: Holder[] = [];
  for (const user of ["alice", "bob"]) {
    await must(postgres, `CREATE ROLE ${user} LOGIN;\n${await from.export(user, "postgresql")}`);
    exported.push({ user, password: passwordOf(user), mechanisms: [], origin: "exported" });
  }
  const create = (role: string): string => `CREATE ROLE "${role}" LOGIN PASSWORD '${madePassword}';`;
  const select = (role: string): string => `SELECT rolname, rolpassword FROM pg_authid WHERE rolname = '${role}'`;
  const [shown, copied] = ["pg-shown", "pg-copied"] as const;
  await must(postgres, create(shown) + create(copied));
  await into.import("postgresql", await must(postgres, `${select(shown)};`));
  await into.import("postgresql", await must(postgres, `COPY (${select(copied)}) TO STDOUT;`));
  const mechanisms = ["SCRAM-SHA-256", "PLAIN"];
  const origin = "imported from PostgreSQL";
  return {
    attempts: exported.flatMap((holder) => atPostgres(postgres, holder)),
    imported: [shown, copied].map((user) => ({ user, password: madePassword, mechanisms, origin })),
  };
}

async function must(postgres: Postgres, sql: string): Promise<string> {
  const finished = await postgres.psql(sql);
  if (finished.exit !== 0) throw new Error(lastWords(finished));
  return finished.stdout;
}
