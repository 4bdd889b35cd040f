/**
 * OTP against Cyrus SASL: our client half at its sample server, which has every form of answer, and its clients at
 * `sasl serve`, whose accounts are in a file.
 *
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AuthenticationFailure, isSASLError, type SASLInterface, type SASLReply, SASLStateMachine } from "sasl-core";
import { listOtp, OTP, type OtpCredentials } from "sasl-core/mechanisms";
import { passwordOf, wrongPassword } from "../accounts.js";
import type { Children } from "../children.js";
import { Cyrus } from "../clients/cyrus.js";
import { lastWords } from "../clients/verdict.js";
import { LineProgram } from "../line-program.js";
import { SaslUser } from "../sasl-user.js";
import { Serve } from "../serve.js";
import type { Attempt, Client, Endpoint, Expectation, Outcome } from "../types.js";

const user = "alice";
const passphrase = passwordOf(user);
const another = "another pass phrase";
const passed: Outcome = { passed: true };

/** The sample server of Cyrus SASL with accounts of its own. */
class SampleServer {
  readonly #children: Children;
  readonly #env: Readonly<Record<string, string>>;
  readonly #database: string;

  private constructor(children: Children, folder: string) {
    this.#children = children;
    this.#env = { SASL_CONF_PATH: folder };
    this.#database = join(folder, "sasldb2");
  }

  /** @param hash as Cyrus SASL names it: `md5`, `sha1`. */
  static async make(children: Children, folder: string, hash: string): Promise<SampleServer> {
    mkdirSync(folder, { recursive: true });
    const database = join(folder, "sasldb2");
    const common = `auxprop_plugin: sasldb\nsasldb_path: ${database}\notp_mda: ${hash}\n`;
    writeFileSync(join(folder, "saslpasswd.conf"), common);
    writeFileSync(join(folder, "sample.conf"), `${common}pwcheck_method: auxprop\nmech_list: OTP\n`);
    const made = new SampleServer(children, folder);
    const args = ["-p", "-c", "-f", database, "-u", "localhost", user];
    const finished = await children.run("saslpasswd2", args, { input: passphrase, env: made.#env });
    if (finished.exit !== 0) throw new Error(`saslpasswd2: ${lastWords(finished)}`);
    return made;
  }

  /** What it keeps of the user's sequence, as it writes it: hash, number, seed, the last value. */
  stored(): readonly string[] {
    const [, ...fields] =
      /(md5|sha1)\t(\d{4})\t([a-z0-9]+)\t([0-9a-f]{16})\t/.exec(readFileSync(this.#database, "latin1")) ?? [];
    return fields;
  }

  /** One exchange with it. */
  wire(): SASLInterface {
    const args = ["-m", "OTP", "-s", "smtp", "-d", "localhost", "-u", "localhost"];
    const program = new LineProgram(this.#children, "stdbuf", ["-oL", "sasl-sample-server", ...args], {
      env: this.#env,
    });
    const say = async (message: Uint8Array): Promise<SASLReply> => {
      program.tell(`C: ${Buffer.from(message).toString("base64")}`);
      for (;;) {
        const line = await program.hear();
        if (line === undefined) throw new AuthenticationFailure("refused", program.complaints);
        if (line.startsWith("Negotiation complete")) {
          program.end();
          return { state: "success" };
        }
        if (line.startsWith("S: ")) return { state: "challenge", payload: Buffer.from(line.slice(3), "base64") };
      }
    };
    return {
      secure: true,
      async initiate(name, payload) {
        const offer = await program.hear();
        for (let line = offer; line !== undefined && !line.startsWith("S: "); ) line = await program.hear();
        return say(Buffer.concat([Buffer.from(`${name}\0`), payload ?? Buffer.alloc(0)]));
      },
      respond: say,
      async abort() {
        program.end();
        return { state: "failure" };
      },
    };
  }
}

/** A login of our client at the sample server, and what the server must keep after it. */
interface Step {
  readonly name: string;
  readonly given: (stored: readonly string[]) => Partial<OtpCredentials> | Promise<Partial<OtpCredentials>>;
  readonly refused?: boolean;
  readonly after: (before: readonly string[], stored: readonly string[]) => boolean;
  readonly ids: readonly string[];
}

const downByOne = ([hash, number, seed]: readonly string[], after: readonly string[]): boolean =>
  after[0] === hash && Number(after[1]) === Number(number) - 1 && after[2] === seed;
const asBefore = (before: readonly string[], after: readonly string[]): boolean => before.join() === after.join();
const begun =
  (hash: string, number: string, seed: string) =>
  (_: readonly string[], after: readonly string[]): boolean =>
    after.slice(0, 3).join() === [hash, number, seed].join();

const steps: readonly Step[] = [
  { name: "digits", given: () => ({ passphrase }), after: downByOne, ids: ["R-OTP-02"] },
  { name: "words", given: () => ({ passphrase, format: "word" }), after: downByOne, ids: ["R-OTP-02"] },
  {
    name: "wrong pass phrase",
    given: () => ({ passphrase: wrongPassword }),
    refused: true,
    after: asBefore,
    ids: ["R-OTP-03"],
  },
  { name: "words from a list", given: fromList("words"), after: downByOne, ids: ["R-OTP-06"] },
  { name: "digits from a list", given: fromList("hex"), after: downByOne, ids: ["R-OTP-06"] },
  {
    name: "a new sequence in words",
    given: () => ({ passphrase, format: "word", renew: { at: 9999, hash: "sha1", sequence: 5, seed: "ke1234" } }),
    after: begun("sha1", "0005", "ke1234"),
    ids: ["R-OTP-02", "R-OTP-06"],
  },
  {
    name: "words of the new sequence",
    given: () => ({ passphrase, format: "word" }),
    after: downByOne,
    ids: ["R-OTP-02"],
  },
  {
    name: "a new sequence in digits, another pass phrase",
    given: () => ({ passphrase, renew: { passphrase: another, hash: "md5", sequence: 3, seed: "ke1235" } }),
    after: begun("md5", "0003", "ke1235"),
    ids: ["R-OTP-02", "R-OTP-06"],
  },
  { name: "the old pass phrase", given: () => ({ passphrase }), refused: true, after: asBefore, ids: ["R-OTP-03"] },
  { name: "the last but one", given: () => ({ passphrase: another }), after: downByOne, ids: ["R-OTP-02"] },
  { name: "the last one", given: () => ({ passphrase: another }), after: downByOne, ids: ["R-OTP-06"] },
];

/** What a person types who has the list of a sequence that the server has. */
function fromList(form: "words" | "hex"): Step["given"] {
  return async ([hash, number, seed]) => {
    const next = { hash: hash as "md5", sequence: Number(number) - 1, seed: seed as string };
    const list = await listOtp(passphrase, next, 3);
    return { answer: ({ sequence }) => list.find((each) => each.sequence === sequence)?.[form].toLowerCase() };
  };
}

/** Our client half at the sample server, step by step: to be run one after the other. */
export async function sampleServerAttempts(children: Children, scratch: string): Promise<Attempt[]> {
  const attempts: Attempt[] = [];
  for (const hash of ["md5", "sha1"]) {
    const server = await SampleServer.make(children, join(scratch, `cyrus-otp-${hash}`), hash);
    for (const step of steps) {
      const name = `cyrus sample server OTP ${hash} ${user} (${step.name}) [${step.ids.join(" ")}]`;
      attempts.push({ name, run: () => ourLogin(server, step) });
    }
  }
  return attempts;
}

async function ourLogin(server: SampleServer, { given, refused = false, after }: Step): Promise<Outcome> {
  const before = server.stored();
  const credentials = { username: user, ...(await given(before)) };
  const end = await OTP(credentials)
    .authenticate(new SASLStateMachine(server.wire()), "OTP")
    .then(
      ({ authcid }) => authcid,
      (error: unknown) => (isSASLError(error) ? error.code : String(error)),
    );
  if (end !== (refused ? "refused" : user)) return { passed: false, why: `it came to ${end}` };
  const stored = server.stored();
  return after(before, stored) ? passed : { passed: false, why: `kept ${before.join(" ")}, then ${stored.join(" ")}` };
}

/** Logins in which a Cyrus client begins a new sequence: it does below 490, and `sasl user` makes 499. */
const loginsToRenewal = 10;

/** Clients at `sasl serve` with OTP alone: to be run one after the other. */
export async function servedOtpAttempts(
  children: Children,
  command: string,
  scratch: string,
  ours: Client,
): Promise<{ readonly serve: Serve; readonly attempts: readonly Attempt[] }> {
  const file = join(scratch, "otp-users");
  await new SaslUser(children, command, `file:${file}`).add(user, passphrase, "--mechanisms", "OTP");
  const serve = await Serve.start(children, "serve+otp", command, ["--store", `file:${file}`, "--mechanisms", "OTP"]);
  const cyrus = new Cyrus(children);
  const [imap, smtp, xmpp] = (["imap", "smtp", "xmpp"] as const).map((each) => serve.endpoint(each, "starttls"));
  const clear = serve.endpoint("smtp", "none");
  const login = (
    name: string,
    client: Client,
    endpoint: Endpoint | undefined,
    outcome: Expectation["outcome"],
    password = passphrase,
    as = user,
  ): Attempt => ({
    name: `serve+otp ${endpoint?.protocol} OTP ${as} (${name}), by ${client.name} [R-OTP-02 R-OTP-03]`,
    run: () => theirLogin(serve, client, endpoint as Endpoint, { mechanism: "OTP", user: as, password }, outcome),
  });
  const attempts: Attempt[] = [
    login("right", ours, imap, "accepted"),
    login("right", ours, smtp, "accepted"),
    login("right", ours, xmpp, "accepted"),
    login("right, no TLS", ours, clear, "accepted"),
    login("wrong pass phrase", ours, smtp, "refused", wrongPassword),
    login("unknown user", ours, imap, "refused", passphrase, "nobody"),
    login("wrong pass phrase", cyrus, imap, "refused", wrongPassword),
    login("unknown user", cyrus, smtp, "refused", passphrase, "nobody"),
  ];
  for (let i = 4; i < loginsToRenewal; i++)
    attempts.push(login(`login ${i + 1}`, cyrus, i % 2 ? imap : smtp, "accepted"));
  attempts.push({
    name: "serve+otp keeps the new sequence that the Cyrus client began [R-OTP-02]",
    run: async () => {
      const { sequence, seed } =
        /"sequence":(?<sequence>\d+),"seed":"(?<seed>[^"]+)"/.exec(readFileSync(file, "utf8"))?.groups ?? {};
      // Cyrus takes two letters of the host and four digits.
      const renewed = sequence === "499" && /^lo\d{1,4}$/.test(seed ?? "");
      return renewed ? passed : { passed: false, why: `the sequence is ${sequence} of ${seed}` };
    },
  });
  attempts.push(
    login("of the new sequence", cyrus, imap, "accepted"),
    login("of the new sequence", ours, smtp, "accepted"),
  );
  return { serve, attempts };
}

async function theirLogin(
  serve: Serve,
  client: Client,
  endpoint: Endpoint,
  login: { readonly mechanism: string; readonly user: string; readonly password: string },
  outcome: Expectation["outcome"],
): Promise<Outcome> {
  const allowed = endpoint.channel === "none" ? { allowPlaintext: true } : {};
  const verdict = await client.attempt(endpoint, { ...login, ...allowed }, { outcome });
  const why = [...(verdict.complaints ?? [])];
  if (verdict.outcome !== outcome) why.unshift(`must be ${outcome}, was ${verdict.outcome}`);
  const ok = outcome === "accepted";
  const report = await serve.claim(
    (each) =>
      each.ok === ok && each.protocol === endpoint.protocol && each.mechanism === "OTP" && each.authcid === login.user,
  );
  if (report === undefined) why.push(`the server reported no such login with ok ${ok}`);
  return why.length === 0 ? passed : { passed: false, why: [...why, verdict.detail].join("\n") };
}
