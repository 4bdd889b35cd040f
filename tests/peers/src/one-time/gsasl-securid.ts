/**
 * SECURID against the GNU SASL library, at both ends: its client at our server half, our client half at its server.
 *
 * GNU SASL 2.2 leaves out the NULs behind what a server asks for (RFC 2808 §3), and its client does not know `passcode` with
 * one. Where a dialogue has a second passcode they are put right on the way, so that all other messages are its own; one
 * attempt at each end shows what comes of it without that.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import {
  AuthenticationFailure,
  isSASLError,
  memoryAccounts,
  type SASLInterface,
  type SASLReply,
  SASLServer,
  SASLStateMachine,
} from "sasl-core";
import { SECURID, type SecuridCredentials, type SecuridVerdict, securidServer } from "sasl-core/mechanisms";
import type { Children } from "../children.js";
import { debianPython } from "../clients/slixmpp.js";
import { LineProgram } from "../line-program.js";
import type { Attempt, Outcome } from "../types.js";

const program = fileURLToPath(new URL("../../python/gsasl-securid.py", import.meta.url));
const user = "magnus";
const passcodes = ["12345678", "87444674", "11112222"];

/** What a step of the library came to. */
interface Step {
  readonly code: number;
  readonly message: string | null;
  readonly seen: readonly (string | null)[] | null;
}

/** One exchange in the library. */
class Exchange {
  readonly #program: LineProgram;

  constructor(children: Children, config: object) {
    this.#program = new LineProgram(children, debianPython, [program]);
    this.#program.tell(JSON.stringify(config));
  }

  async step(message: Uint8Array | undefined): Promise<Step> {
    const line = await this.#program.ask(message === undefined ? "-" : Buffer.from(message).toString("base64"));
    return JSON.parse(line) as Step;
  }

  end(): void {
    this.#program.end();
  }
}

/** A dialogue, and what each passcode of it is worth. */
interface Dialogue {
  readonly name: string;
  readonly verdicts: readonly SecuridVerdict[];
  readonly pin?: string;
  readonly suggestion?: string;
  readonly ids: readonly string[];
}

const dialogues: readonly Dialogue[] = [
  { name: "one passcode", verdicts: ["accepted"], ids: ["R-SID-01"] },
  { name: "a wrong passcode", verdicts: ["refused"], ids: ["R-SID-01"] },
  { name: "another passcode", verdicts: ["passcode", "accepted"], ids: ["R-SID-02"] },
  { name: "another one, which is wrong", verdicts: ["passcode", "refused"], ids: ["R-SID-02"] },
  { name: "a new PIN", verdicts: ["pin", "accepted"], pin: "my own", ids: ["R-SID-02"] },
  { name: "a suggested PIN", verdicts: ["pin", "accepted"], pin: "kalle", suggestion: "kalle", ids: ["R-SID-02"] },
];

const unmended: Dialogue = { name: "a request without its NUL", verdicts: ["passcode", "accepted"], ids: ["R-SID-02"] };

/** All attempts. */
export function securidAttempts(children: Children): Attempt[] {
  const each = (by: string, run: (children: Children, dialogue: Dialogue) => Promise<Outcome>): Attempt[] =>
    dialogues.map((dialogue) => ({
      name: `${by} (${dialogue.name}) [${dialogue.ids.join(" ")}]`,
      run: () => run(children, dialogue),
    }));
  return [
    ...each("gsasl server SECURID", atTheirServer),
    ...each("core server SECURID, by gsasl", atOurServer),
    { name: "core server SECURID, by gsasl (a passcode twice) [R-SID-03]", run: () => twice(children) },
    ...["gsasl server SECURID", "core server SECURID, by gsasl"].map((by, i) => ({
      name: `${by} (${unmended.name}) [R-SID-02]`,
      run: () => (i === 0 ? atTheirServer : atOurServer)(children, unmended),
    })),
  ];
}

const passed: Outcome = { passed: true };

/** What was seen, compared as a whole. */
function expectSame(seen: unknown, expected: unknown): Outcome {
  const [left, right] = [JSON.stringify(seen), JSON.stringify(expected)];
  return left === right ? passed : { passed: false, why: `it was ${left}\nand must be ${right}` };
}

/** What each message of a dialogue brings. */
function requestsOf({ verdicts, pin }: Dialogue): (string | null)[][] {
  return verdicts.map((_, i) => [user, passcodes[i] as string, i > 0 && pin !== undefined ? pin : null]);
}

async function atTheirServer(children: Children, dialogue: Dialogue): Promise<Outcome> {
  const { verdicts, suggestion, pin } = dialogue;
  const exchange = new Exchange(children, { role: "server", verdicts, suggestion });
  const seen: Step["seen"][] = [];
  const step = async (payload: Uint8Array | undefined): Promise<SASLReply> => {
    const { code, message, seen: judged } = await exchange.step(payload);
    if (judged !== null) seen.push(judged);
    if (code === 0) return { state: "success" };
    if (code !== 1) throw new AuthenticationFailure("refused", `gsasl says ${code}`);
    const asked = Buffer.from(message ?? "", "base64").toString();
    return { state: "challenge", payload: Buffer.from(dialogue === unmended ? asked : mended(asked)) };
  };
  const wire: SASLInterface = {
    secure: true,
    initiate: (_, payload) => step(payload),
    respond: step,
    abort: async () => ({ state: "failure" }),
  };
  const left = [...passcodes];
  const credentials: SecuridCredentials = {
    username: user,
    passcode: () => left.shift(),
    pin: (suggested) => (suggested === suggestion ? pin : undefined),
  };
  try {
    const end = await SECURID(credentials)
      .authenticate(new SASLStateMachine(wire), "SECURID")
      .then(({ authcid }) => authcid, codeOf);
    if (dialogue === unmended) return expectSame([end, seen.length], ["malformed-message", 1]);
    const right = verdicts.at(-1) === "accepted" ? user : "refused";
    return expectSame([end, seen], [right, requestsOf(dialogue)]);
  } finally {
    exchange.end();
  }
}

async function atOurServer(children: Children, dialogue: Dialogue): Promise<Outcome> {
  const { verdicts, suggestion } = dialogue;
  const left = verdicts.map((each) => (each === "pin" && suggestion ? { suggestedPin: suggestion } : each));
  const seen: (string | null)[][] = [];
  const mechanism = securidServer({
    verify({ username, passcode, pin = null }) {
      seen.push([username, passcode, pin]);
      return left.shift() ?? "refused";
    },
  });
  const end = await theirLogin(children, mechanism, { passcodes, pin: dialogue.pin }, dialogue !== unmended);
  if (dialogue === unmended) return expectSame([end, seen.length], ["malformed-message", 1]);
  const right = verdicts.at(-1) === "accepted" ? user : "refused";
  return expectSame([end, seen], [right, requestsOf(dialogue)]);
}

async function twice(children: Children): Promise<Outcome> {
  const mechanism = securidServer({ verify: () => "accepted" });
  const ends = [];
  for (let i = 0; i < 2; i++) ends.push(await theirLogin(children, mechanism, { passcodes: passcodes.slice(0, 1) }));
  return expectSame(ends, [user, "refused"]);
}

/** Whom our server let in, or what it refused with; the library's client has to agree that it is over. */
async function theirLogin(
  children: Children,
  mechanism: ReturnType<typeof securidServer>,
  config: object,
  mends = true,
): Promise<string> {
  const session = new SASLServer({ mechanisms: [mechanism], accounts: memoryAccounts() }).session({ secure: true });
  const exchange = new Exchange(children, { role: "client", username: user, ...config });
  try {
    let step = await exchange.step(undefined);
    let reply = await session.initiate("SECURID", messageOf(step));
    while (reply.state === "challenge") {
      const asked = Buffer.from(reply.payload).toString();
      step = await exchange.step(Buffer.from(mends ? asked.replace(/^passcode\0$/, "passcode") : asked));
      reply = await session.respond(messageOf(step));
    }
    return session.result?.authcid ?? "nobody";
  } catch (error) {
    return codeOf(error);
  } finally {
    exchange.end();
  }
}

/** A request of its server as RFC 2808 §3 has it. */
function mended(asked: string): string {
  const [, kind = asked, suggestion = ""] = /^(passcode|pin)(.*)$/s.exec(asked) ?? [];
  return `${kind}\0${suggestion === "" ? "" : `${suggestion}\0`}`;
}

function messageOf({ code, message }: Step): Uint8Array {
  if (code > 1 || message === null) throw new Error(`the client of gsasl says ${code}`);
  return Buffer.from(message, "base64");
}

function codeOf(error: unknown): string {
  return isSASLError(error) ? error.code : String(error);
}
