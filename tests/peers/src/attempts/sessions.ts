/**
 * What usual clients do after the login, at `sasl serve`: list and select the empty INBOX, send a mail. (The XMPP clients
 * of the other attempts bind, fetch the roster, ping and send a message as part of each login.)
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { passwordOf } from "../accounts.js";
import type { Children, Finished } from "../children.js";
import { debianPython } from "../clients/slixmpp.js";
import { lastWords } from "../clients/verdict.js";
import type { Serve } from "../serve.js";
import type { Tool } from "../tools.js";
import type { Attempt } from "../types.js";

const pythonProgram = fileURLToPath(new URL("../../python/mail-session.py", import.meta.url));
const user = "alice";
const password = passwordOf(user);
const mail = "From: a@localhost\r\nTo: b@localhost\r\nSubject: hello\r\n\r\nhello\r\n.\r\nmore\r\n";

/** Whole sessions with the tools there are. @param mechanisms for Python, which knows PLAIN and CRAM-MD5 */
export function sessionAttempts(
  serve: Serve,
  children: Children,
  tools: ReadonlySet<Tool>,
  mechanisms: readonly string[],
): Attempt[] {
  return [
    ...(tools.has("slixmpp") ? pythonSessions(serve, children, mechanisms) : []),
    ...(tools.has("curl") ? curlSessions(serve, children) : []),
    ...(tools.has("swaks") ? swaksSessions(serve, children) : []),
  ];
}

function attempt(name: string, run: () => Promise<Finished>, good: (finished: Finished) => boolean): Attempt {
  return {
    name,
    async run() {
      const finished = await run();
      return good(finished) ? { passed: true } : { passed: false, why: lastWords(finished) };
    },
  };
}

function pythonSessions(serve: Serve, children: Children, mechanisms: readonly string[]): Attempt[] {
  return (["imap", "smtp"] as const).flatMap((protocol) =>
    (["starttls", "implicit"] as const).flatMap((channel) =>
      mechanisms.map((mechanism) => {
        const { host, port, ca } = serve.endpoint(protocol, channel);
        const input = JSON.stringify({ protocol, channel, mechanism, host, port, ca, user, password });
        const name = `${serve.name} ${protocol} ${channel} whole session ${mechanism} ${user}, by Python's ${protocol}lib`;
        const run = (): Promise<Finished> => children.run(debianPython, [pythonProgram], { input });
        return attempt(name, run, ({ stdout }) => stdout.trim() === "done");
      }),
    ),
  );
}

function curlSessions(serve: Serve, children: Children): Attempt[] {
  const imap = serve.endpoint("imap", "starttls");
  const smtp = serve.endpoint("smtp", "implicit");
  const common = ["--silent", "--show-error", "--max-time", "15", "--user", `${user}:${password}`];
  const secured = [...common, "--ssl-reqd", "--cacert", imap.ca];
  const list = [...secured, `imap://${imap.host}:${imap.port}/`];
  const select = [...secured, `imap://${imap.host}:${imap.port}/INBOX`, "--request", "EXAMINE INBOX"];
  const send = [...common, "--cacert", smtp.ca, "--mail-from", "a@localhost", "--mail-rcpt", "b@localhost"];
  send.push("--upload-file", "-", `smtps://${smtp.host}:${smtp.port}/`);
  return [
    attempt(
      `${serve.name} imap list, by curl`,
      () => children.run("curl", list),
      ({ exit, stdout }) => exit === 0 && /INBOX/.test(stdout),
    ),
    attempt(
      `${serve.name} imap examine, by curl`,
      () => children.run("curl", select),
      ({ exit, stdout }) => exit === 0 && /^\* \d+ EXISTS/im.test(stdout),
    ),
    attempt(
      `${serve.name} smtp send a mail, by curl`,
      () => children.run("curl", send, { input: mail }),
      ({ exit }) => exit === 0,
    ),
  ];
}

function swaksSessions(serve: Serve, children: Children): Attempt[] {
  const { host, port, ca } = serve.endpoint("smtp", "starttls");
  const args = [
    "--server",
    `${host}:${port}`,
    "--from",
    "a@localhost",
    "--to",
    "b@localhost,c@localhost",
    "--timeout",
    "15",
  ];
  args.push(
    "--auth",
    "LOGIN",
    "--auth-user",
    user,
    "--auth-password",
    password,
    "--tls",
    "--tls-verify",
    "--tls-ca-path",
    ca,
  );
  return [
    attempt(
      `${serve.name} smtp send a mail, by swaks`,
      () => children.run("swaks", args),
      ({ exit }) => exit === 0,
    ),
  ];
}
