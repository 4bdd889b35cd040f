/**
 * The server of the README of `sasl-smtp-server`, logged in to by other people's clients and by nodemailer, its own and ours.
 *
 * @module
 */
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createTransport } from "nodemailer";
import { PLAIN, SCRAMPLUS } from "sasl-smtp/mechanisms";
import { passwordOf, wrongPassword } from "../accounts.js";
import type { Run } from "../run.js";
import type { Server } from "../servers.js";
import { makeCertificates } from "../tls-files.js";
import type { Attempt, Client, Endpoint } from "../types.js";
import { mailAttempt } from "./nodemailer.js";
import { readmeProgram } from "./readme.js";

const name = "smtp-server";
const mechanisms = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"];
const alice = { username: "alice", password: passwordOf("alice") };
const wrong = { username: "alice", password: wrongPassword };

/** Run all of them. Starts one server for each way TLS can begin, where any attempt at it is wanted. */
export async function smtpServer(
  run: Run,
  _command: string,
  _servers: readonly Server[],
  clients: readonly Client[],
): Promise<void> {
  const all: Attempt[] = [];
  for (const channel of ["starttls", "implicit"] as const) {
    const port = await freePort();
    const ca = join(run.scratch, `smtp-server-${channel}`, "ca.pem");
    const at: Endpoint = { server: name, protocol: "smtp", channel, host: "localhost", port, ca, domain: "localhost" };
    const output = { text: "" };
    const attempts = attemptsAt(at, clients, output).filter((each) => run.wants(each.name));
    if (attempts.length > 0 && !run.options.list) await start(run, at, output);
    all.push(...attempts);
  }
  await run.attempts(all);
}

function attemptsAt(at: Endpoint, clients: readonly Client[], output: { readonly text: string }): Attempt[] {
  const logins = mechanisms.flatMap((mechanism) =>
    [alice.password, wrongPassword].map((password) => ({ mechanism, user: "alice", password })),
  );
  const others = clients.flatMap((client) =>
    logins
      .filter((login) => client.cannot(at, login) === undefined)
      .map((login): Attempt => {
        const right = login.password === alice.password;
        const { mechanism } = login;
        return {
          name: title(at, `${mechanism}${right ? "" : " (wrong password)"}, by ${client.name}`),
          async run() {
            const outcome = right ? "accepted" : "refused";
            const verdict = await client.attempt(at, login, { outcome });
            const told = new RegExp(`^${mechanism} ${right} alice `, "m").test(output.text);
            if (verdict.outcome === outcome && told) return { passed: true };
            return {
              passed: false,
              why: `${verdict.outcome}: ${verdict.detail}\nthe server: ${output.text.slice(-400)}`,
            };
          },
        };
      }),
  );
  return [
    ...others,
    mailAttempt(at, "SCRAM-SHA-256-PLUS", [SCRAMPLUS(alice)], { mechanism: /-PLUS$/, binding: "tls-exporter" }),
    mailAttempt(at, "SCRAM-SHA-256-PLUS (wrong password)", [SCRAMPLUS(wrong)], { error: "EAUTH refused" }),
    mailAttempt(at, "SCRAM (a pool)", [SCRAMPLUS(alice)], { mechanism: /-PLUS$/, binding: "tls-exporter", logins: 2 }),
    mailAttempt(at, "PLAIN", [PLAIN(alice)], { mechanism: /^PLAIN$/ }),
    ...["PLAIN", "LOGIN", "CRAM-MD5"].flatMap((method) => [stock(at, method, true), stock(at, method, false)]),
  ];
}

/** nodemailer as it is. */
function stock(at: Endpoint, method: string, right: boolean): Attempt {
  return {
    name: title(at, `${method}${right ? "" : " (wrong password)"}, by nodemailer alone`),
    async run() {
      const { host, port, ca, channel } = at;
      const auth = { method, user: "alice", pass: right ? alice.password : wrongPassword };
      const tls = { ca: readFileSync(ca) };
      const transport = createTransport({ host, port, secure: channel === "implicit", requireTLS: true, tls, auth });
      const seen = await transport.verify().then(
        () => "accepted",
        (error: { responseCode?: number }) => error.responseCode,
      );
      return seen === (right ? "accepted" : 535) ? { passed: true } : { passed: false, why: String(seen) };
    },
  };
}

function title({ channel }: Endpoint, what: string): string {
  return `${name} ${channel === "starttls" ? "STARTTLS" : "TLS"} ${what}`;
}

/** The program, in the folder with the certificate. */
async function start(run: Run, { port, channel, ca }: Endpoint, output: { text: string }): Promise<void> {
  const tls = join(ca, "..");
  await makeCertificates(run.children, tls);
  const { file, folder } = readmeProgram(name, 0, {
    "587": `${port}`,
    "open sesame": alice.password,
    "server.pem": join(tls, "server.pem"),
    "server.key": join(tls, "server.key"),
    ...(channel === "implicit" && { "new SMTPServer({": "new SMTPServer({ secure: true," }),
  });
  const child = run.children.start(process.execPath, [file]);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output.text += text;
    });
  }
  for (let tries = 0; tries < 100 && !(await answers(port)); tries++) await sleep(100);
  if (!(await answers(port))) run.report.fail(`${name} ${channel}`, output.text);
  rmSync(folder, { recursive: true });
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "localhost");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
