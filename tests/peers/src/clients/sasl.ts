/**
 * The `sasl login` command of this project: the client under test. Its exit status, its JSON and the silence of its
 * output about secrets are all part of the verdict.
 *
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Children, Finished } from "../children.js";
import type { Client, Endpoint, Expectation, Login, Verdict } from "../types.js";
import { lastWords } from "./verdict.js";

/** Exit status to outcome. */
const outcomes = new Map<number | null, Verdict["outcome"]>([
  [0, "accepted"],
  [1, "refused"],
  [2, "impossible"],
  [3, "unreachable"],
]);

/** The kind of error that goes with an exit status. */
const kinds = new Map<number | null, string>([
  [1, "AuthenticationFailure"],
  [2, "SASLFailure"],
]);

/** The mechanisms in which the server proves itself. */
const mutual = /^(?:SCRAM-|DIGEST-MD5$)/;

/** What `--json` prints; every field is checked before use. */
interface LoginReport {
  readonly ok?: unknown;
  readonly protocol?: unknown;
  readonly mechanism?: unknown;
  readonly authcid?: unknown;
  readonly serverVerified?: unknown;
  readonly channelBinding?: unknown;
  readonly tls?: { readonly version?: unknown; readonly verified?: unknown } | null;
  readonly error?: { readonly kind?: unknown; readonly code?: unknown; readonly peer?: unknown };
}

/** `sasl login` as a client. */
export class SaslLogin implements Client {
  readonly name = "sasl login";
  readonly #children: Children;
  readonly #command: string;
  readonly #scratch: string;

  /**
   * @param command file of the command
   * @param scratch folder for the files that hold tokens
   */
  constructor(children: Children, command: string, scratch: string) {
    this.#children = children;
    this.#command = command;
    this.#scratch = scratch;
  }

  cannot(): undefined {
    return undefined;
  }

  async attempt(endpoint: Endpoint, login: Login, expected: Expectation): Promise<Verdict> {
    const folder = mkdtempSync(join(this.#scratch, "login-"));
    try {
      const tokenFile = join(folder, "token");
      if (login.token !== undefined) writeFileSync(tokenFile, login.token, { mode: 0o600 });
      const args = loginArguments(endpoint, login, tokenFile);
      // A trace must keep secrets to itself; without one an error is a single line.
      const traced = expected.outcome === "accepted";
      if (traced) args.push("--trace");
      const command = [this.#command, "login", url(endpoint, login), ...args];
      const finished = await this.#children.run(process.execPath, command, { input: login.password ?? "" });
      return judge(finished, endpoint, login, expected, traced);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

function url({ protocol, channel, host, port }: Endpoint, { user }: Login): string {
  const scheme = channel === "implicit" ? `${protocol}s` : protocol;
  return `${scheme}://${user === undefined ? "" : `${encodeURIComponent(user)}@`}${host}:${port}`;
}

function loginArguments({ protocol, channel, ca, domain }: Endpoint, login: Login, tokenFile: string): string[] {
  const args = ["--json", "--ca", ca, "--timeout", "15"];
  if (protocol === "xmpp") args.push("--domain", domain);
  if (channel === "none") args.push("--tls", "none");
  if (login.mechanism !== undefined) args.push("--mechanism", login.mechanism);
  if (login.password !== undefined) args.push("--password-stdin");
  if (login.token !== undefined) args.push("--token-file", tokenFile);
  if (login.authzid !== undefined) args.push("--authzid", login.authzid);
  if (login.certificate !== undefined) args.push("--cert", login.certificate.cert, "--key", login.certificate.key);
  if (login.tlsMax !== undefined) args.push("--tls-max", login.tlsMax);
  if (login.prep !== undefined) args.push("--prep", login.prep);
  if (login.channelBinding !== undefined) args.push("--channel-binding", login.channelBinding);
  if (login.allowPlaintext === true) args.push("--allow-plaintext");
  return args;
}

function judge(finished: Finished, endpoint: Endpoint, login: Login, expected: Expectation, traced: boolean): Verdict {
  const outcome = finished.timedOut ? "broken" : (outcomes.get(finished.exit) ?? "broken");
  const detail = lastWords(finished);
  const complaints = leaks(finished, login);
  if (outcome === expected.outcome) {
    if (outcome === "accepted")
      complaints.push(...checkSuccess(parseReport(finished.stdout), endpoint, login, expected));
    else complaints.push(...checkError(parseReport(finished.stdout), finished.exit, expected));
    const lines = finished.stderr.split("\n").filter((line) => line !== "").length;
    if (!traced && lines !== 1) complaints.push(`an error is one line on standard error, not ${lines}`);
  }
  return { outcome, detail, complaints };
}

/** R-GEN-30: neither the secret nor its base64 is printed anywhere. */
function leaks({ stdout, stderr }: Finished, { password, token }: Login): string[] {
  const output = stdout + stderr;
  const secrets = [password, token].filter((secret) => secret !== undefined && secret.length > 5);
  return secrets.flatMap((secret) => {
    const encoded = Buffer.from(secret ?? "")
      .toString("base64")
      .replace(/=+$/, "");
    return [secret ?? "", encoded].filter((text) => output.includes(text)).map(() => "the secret is in the output");
  });
}

function parseReport(stdout: string): LoginReport {
  try {
    const value: unknown = JSON.parse(stdout);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function checkSuccess(report: LoginReport, endpoint: Endpoint, login: Login, expected: Expectation): string[] {
  const mechanism = expected.mechanism ?? login.mechanism;
  const wanted: [field: keyof LoginReport, value: unknown][] = [
    ["ok", true],
    ["protocol", endpoint.protocol],
    ["mechanism", mechanism],
    ["serverVerified", mutual.test(mechanism ?? "")],
    ["channelBinding", expected.channelBinding ?? null],
  ];
  const complaints = wanted
    .filter(([field, value]) => report[field] !== value)
    .map(([field, value]) => `${field} is ${JSON.stringify(report[field])}, not ${JSON.stringify(value)}`);
  const verified = report.tls?.verified;
  if (endpoint.channel !== "none" && verified !== true) complaints.push("TLS is not reported as verified");
  if (endpoint.channel === "none" && verified === true) complaints.push("TLS is reported where there is none");
  return complaints;
}

function checkError(report: LoginReport, exit: number | null, expected: Expectation): string[] {
  const complaints: string[] = [];
  if (report.ok !== false) complaints.push(`ok is ${JSON.stringify(report.ok)}, not false`);
  const kind = kinds.get(exit);
  if (kind !== undefined && report.error?.kind !== kind)
    complaints.push(`the error is ${JSON.stringify(report.error)}, no ${kind}`);
  if (expected.code !== undefined && report.error?.code !== expected.code) {
    complaints.push(`the code is ${JSON.stringify(report.error?.code)}, not ${expected.code}`);
  }
  const said = report.error?.peer;
  if (expected.peer !== undefined && !(typeof said === "string" && expected.peer.test(said))) {
    complaints.push(`the server said ${JSON.stringify(said)}, not ${expected.peer}`);
  }
  return complaints;
}
