/**
 * The demonstration: an embedded server with TLS, and the three example programs that log in to it.
 *
 *     npm run demo
 *     npm run demo -- --wrong-password
 *
 * @module
 */
import { existsSync, realpathSync } from "node:fs";
import { parseArgs } from "node:util";
import { chat } from "example-chat-client";
import { fetchSubjects } from "example-mail-fetcher";
import { sendMail } from "example-mailer";
import { startServer, type TestServer } from "sasl-cli/server";
import { type AuthenticationResult, isSASLError, makeScramVerifier, memoryAccounts } from "sasl-core";
import { hashSha256, plain, scramSha256, scramSha256Plus } from "sasl-core/mechanisms";
import { type Outcome, Screen } from "./screen.js";

const USER = "alice";
const PASSWORD = "correct horse battery staple";
const SUBJECT = "Lunch at noon?";
const mechanisms = [scramSha256Plus, scramSha256, plain];

/** What each of the three programs is told. */
interface Program {
  readonly name: string;
  readonly protocol: string;
  readonly task: string;
  readonly url: string;
  /** Does it. @returns who logged in how, and what came of it in a sentence. */
  run(common: {
    url: string;
    password: string;
    ca: string;
    trace: Screen["message"];
  }): Promise<{ login: AuthenticationResult; said: string }>;
}

function programs({ ports }: TestServer): Program[] {
  const mail = { from: `${USER}@localhost`, to: `${USER}@localhost`, subject: SUBJECT, text: "The usual place?" };
  return [
    {
      name: "mailer",
      protocol: "SMTP",
      task: "sends a mail",
      url: `smtp://${USER}@localhost:${ports.smtp}`,
      async run(common) {
        const { login, accepted } = await sendMail({ ...common, mail });
        return { login, said: `sent "${SUBJECT}" to ${mail.to}; the server said: ${accepted}` };
      },
    },
    {
      name: "mail-fetcher",
      protocol: "IMAP",
      task: "lists the newest subjects",
      url: `imaps://${USER}@localhost:${ports.imaps}`,
      async run(common) {
        const { login, subjects } = await fetchSubjects(common);
        return { login, said: `in the INBOX: ${subjects.map((subject) => `"${subject}"`).join(", ") || "nothing"}` };
      },
    },
    {
      name: "chat-client",
      protocol: "XMPP",
      task: "talks to itself",
      url: `xmpp://${USER}@localhost:${ports.xmpp}`,
      async run(common) {
        const { login, jid, heard } = await chat({ ...common, message: "Do not forget lunch." });
        return { login, said: `heard "${heard}" from ${jid}` };
      },
    },
  ];
}

/**
 * Runs the demonstration.
 *
 * @param args of the command line.
 * @param out where to write.
 * @returns the exit code: 0 when all three logged in, 1 when they were refused, 2 when something else came of it, 64 for
 *   wrong usage.
 */
export async function demo(args: readonly string[], out: Pick<NodeJS.WriteStream, "write" | "isTTY">): Promise<number> {
  const screen = new Screen(out);
  let wrong = false;
  try {
    const options = { "wrong-password": { type: "boolean" } } as const;
    wrong = parseArgs({ args: [...args], options }).values["wrong-password"] ?? false;
  } catch (error) {
    screen.line(`demo: ${(error as Error).message}`, "usage: npm run demo [-- --wrong-password]");
    return 64;
  }

  // All the server keeps of the password is a verifier: it can check a proof and cannot log in anywhere with it.
  const verifier = await makeScramVerifier(hashSha256, PASSWORD);
  const server = await startServer({
    ports: { smtp: 0, imaps: 0, xmpp: 0 },
    accounts: memoryAccounts({ [USER]: { authPassword: [verifier] } }),
    mechanisms,
  });
  try {
    const offered = mechanisms.map(({ name }) => name);
    screen.server(server, { user: USER, offered, wrong });
    const outcomes: Outcome[] = [];
    for (const program of programs(server)) {
      screen.program(program);
      outcomes.push(await attempt(program, wrong ? "a wrong password" : PASSWORD, server.caPem, screen));
    }
    screen.summary(outcomes);
    if (outcomes.every(({ login }) => login)) return wrong ? 2 : 0;
    return outcomes.every(({ error }) => isSASLError(error) && error.kind === "AuthenticationFailure") ? 1 : 2;
  } finally {
    await server.close();
  }
}

async function attempt(program: Program, password: string, ca: string, screen: Screen): Promise<Outcome> {
  const { protocol, url } = program;
  const began = performance.now();
  try {
    const { login, said } = await program.run({ url, password, ca, trace: screen.message });
    const timeMs = performance.now() - began;
    screen.done(said);
    return { protocol, login, timeMs };
  } catch (error) {
    const timeMs = performance.now() - began;
    screen.failed(error);
    return { protocol, error, timeMs };
  }
}

const started = process.argv[1] ?? "";
if (existsSync(started) && realpathSync(started) === import.meta.filename) {
  process.exitCode = await demo(process.argv.slice(2), process.stdout);
}
