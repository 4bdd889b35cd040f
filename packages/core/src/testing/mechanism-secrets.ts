/**
 * Checks of a mechanism: what it shows of secrets, what it makes of wrong ones, and what it stores of them.
 *
 * @module
 */
import { type AccountProperties, makesHashes } from "../accounts.js";
import type { Credentials } from "../credentials.js";
import { isSASLError } from "../errors.js";
import type { SASLReply } from "../interface.js";
import { equalBytes } from "../internal/bytes.js";
import { memoryAccounts } from "../memory-accounts.js";
import { passwordChange } from "../set-password.js";
import type { Play, Played, WireMessage } from "./bench.js";
import { expect, messageOf } from "./checks.js";
import { flipped } from "./corruption.js";
import { formsOf, textsIn } from "./exposure.js";
import { both, codeOf, type MechanismCheckOptions, type Subject } from "./mechanism-subject.js";
import { chance } from "./random.js";

export async function checkSecrets(subject: Subject): Promise<void> {
  const { bench, mechanism, options, seed } = subject;
  const secrets = options.secrets ?? secretsIn([options.credentials, options.wrong]);
  const seen: [where: string, what: unknown][] = [["the mechanism", mechanism]];
  const look = (where: string, { error, refusals, events, trace, session, outcome }: Played) => {
    seen.push([`the error of ${where}`, error], [`the server's errors of ${where}`, refusals]);
    seen.push([`the server's events of ${where}`, events], [`the trace of ${where}`, trace]);
    seen.push([`the session of ${where}`, session], [`the result of ${where}`, outcome]);
  };
  for (const successData of both) {
    const right = await bench.succeed({ seed, successData });
    look("a success", right);
    if (options.wrong) look("wrong credentials", await bench.play({ seed, successData, credentials: options.wrong }));
    for (const { from, index } of right.messages) {
      const luck = chance(seed + index);
      const bend = (message: WireMessage) => {
        if (message.from !== from || message.index !== index || !message.payload?.length) return message.payload;
        return flipped(message.payload, luck.below(message.payload.length), 0);
      };
      const server = (reply: SASLReply, at: number): SASLReply => {
        const payload = bend({ from: "server", index: at, kind: "challenge", payload: reply.payload });
        return payload === undefined ? reply : ({ ...reply, payload } as SASLReply);
      };
      look("a spoilt message", await bench.play({ seed, successData, client: bend, server }));
    }
  }
  for (const secret of secrets) {
    const forms = formsOf(secret);
    for (const [where, what] of seen) {
      const shown = textsIn(what).some((text) => forms.some((form) => text.includes(form)));
      expect(!shown, `${where} shows a secret`);
    }
  }
}

function secretsIn(credentials: readonly Play["credentials"][]): string[] {
  const texts = credentials.flatMap((each) => (typeof each === "object" ? [each.password, each.token] : []));
  return texts.filter((text): text is string => text !== undefined && text.length >= 4);
}

/** Replays all a client said. A proof of a password holds once, and so does an answer to what is new each time. */
export async function checkReplay({ bench, mechanism, seed }: Subject): Promise<void> {
  const [first, second] = [await bench.succeed({ seed }), await bench.succeed({ seed: seed ^ 5 })];
  const lastOfClient = first.messages.findLastIndex(({ from, payload }) => from === "client" && payload?.length);
  const fresh = first.messages.slice(0, lastOfClient).some(({ from, payload }, i) => {
    const other = second.messages[i]?.payload;
    return from === "server" && payload && (other === undefined || !equalBytes(payload, other));
  });
  const proves = mechanism.security.includes("noPlaintext") && ["password", "scram"].includes(String(mechanism.needs));
  if (!fresh && !proves) return; // whoever has the message has the credentials
  const session = bench.server({ seed: seed ^ 6 }).session(bench.connection());
  const code = await codeOf(
    (async () => {
      let reply: SASLReply | undefined;
      for (const [i, { payload }] of first.messages.filter(({ from }) => from === "client").entries()) {
        reply = await (i === 0 ? session.initiate(mechanism.name, payload) : session.respond(payload as Uint8Array));
      }
      if (reply?.state === "challenge") await session.respond(new Uint8Array(0)); // it may be a refusal with data
    })(),
  );
  expect(session.result === undefined && code !== "success", "the same messages succeed a second time");
}

export async function checkProperties({ bench, options, mechanism, seed }: Subject): Promise<void> {
  const { accounts } = options.server;
  const asked = new Set<string>();
  const strict: typeof accounts = {
    async lookup(name, requests) {
      for (const each of requests) asked.add(each);
      const found = await accounts.lookup(name, requests);
      return (
        found &&
        (Object.fromEntries(Object.entries(found).filter(([name]) => requests.includes(name))) as AccountProperties)
      );
    },
    ...(accounts.store && { store: accounts.store.bind(accounts) }),
    ...(accounts.checkPassword && { checkPassword: accounts.checkPassword.bind(accounts) }),
  };
  const exchange = await bench.play({ seed, accounts: strict });
  const why = `it fails with a store that gives only what it declares, ${JSON.stringify(mechanism.properties ?? [])}`;
  expect(exchange.outcome !== undefined, why);
  bench.expectIdentity(exchange);
}

export async function checkWrong({ bench, options, seed }: Subject): Promise<void> {
  for (const successData of both) {
    const session = bench.server({ seed }).session(bench.connection(successData));
    const played = await bench.play({ seed, successData, session, credentials: options.wrong });
    const { error, outcome } = played;
    expect(outcome === undefined && session.result === undefined, "wrong credentials succeed");
    bench.expectTypedErrors(played);
    expect(
      isSASLError(error) && error.kind === "AuthenticationFailure",
      `wrong credentials are no AuthenticationFailure: ${messageOf(error)}`,
    );
    expect(!session.pending, "the server waits for more after wrong credentials");
    expect((await codeOf(session.respond(new Uint8Array(0)))) === "unexpected-message", "the refused exchange goes on");
    await bench.succeed({ seed: seed ^ 4, successData, session });
  }
}

export function unknownCredentials({ wrong, unknown }: MechanismCheckOptions): Play["credentials"] {
  if (unknown || typeof wrong !== "object" || wrong.username === undefined) return unknown;
  const other: Credentials = { ...wrong, username: wrong.username.replace(/./gu, (c) => (c === "q" ? "x" : "q")) };
  return other;
}

export async function checkUnknown({ bench, options, seed }: Subject, unknown: Play["credentials"]): Promise<void> {
  for (const successData of both) {
    // One server for both, as a peer would compare them; and each twice, since a peer would do that, too.
    const server = bench.server({ seed });
    const seen: string[] = [];
    for (const credentials of [options.wrong, unknown, options.wrong, unknown]) {
      const played = await bench.play({
        seed,
        successData,
        credentials,
        session: server.session(bench.connection(successData)),
      });
      expect(played.outcome === undefined, "a name nobody has succeeds");
      bench.expectTypedErrors(played);
      const lengths = played.messages.map(({ from, kind, payload }) => `${from} ${kind} ${payload?.length ?? "-"}`);
      const ends = played.refusals.map((each) => (isSASLError(each) ? `${each.code}: ${each.message}` : ""));
      seen.push([...lengths, ...ends].join(", "));
    }
    const other = seen.find((each) => each !== seen[0]);
    expect(other === undefined, `a wrong secret is seen as ${seen[0]}; a name nobody has as ${other}`);
  }
}

export async function checkSetPassword({ bench, mechanism, options, seed }: Subject): Promise<void> {
  const { credentials, server } = options;
  const password = (typeof credentials === "object" ? credentials.password : undefined) ?? "correct horse";
  const random = chance(seed).bytes;
  const given = {
    name: bench.identity,
    mechanisms: [mechanism],
    scheme: server.passwordSchemes?.find(makesHashes),
    iterations: 4096,
    prepare: server.prepare,
    random,
  };
  for (const plaintext of both) {
    const { changes, unserved } = await passwordChange(password, { ...given, plaintext });
    const set = Object.entries(changes).filter(([, value]) => value !== undefined);
    const strange = set.find(([name]) => !mechanism.properties?.includes(name));
    expect(strange === undefined, `setPassword sets ${strange?.[0]}, which is not among its properties`);
    if (!plaintext) {
      const shown = textsIn(set.map(([, value]) => value)).some((text) => text.includes(password));
      expect(!shown, "setPassword stores the password itself, and was told not to");
    }
    if (unserved.length > 0 || set.length === 0) continue; // what it needs may not be stored
    expect(mechanism.available?.(changes, false) !== false, "after setPassword it says it is not available");
    if (typeof credentials !== "object" || credentials.password === undefined) continue;
    const accounts = memoryAccounts({ [bench.identity]: changes });
    const { outcome, error } = await bench.play({ seed, accounts });
    expect(
      outcome !== undefined,
      `a login with what setPassword stored fails: ${error === undefined ? "" : messageOf(error)}`,
    );
  }
  const { changes } = await passwordChange(undefined, given);
  const left = Object.entries(changes).find(([, value]) => value !== undefined);
  expect(left === undefined, `without a password setPassword sets ${left?.[0]}`);
  expect(
    mechanism.available?.(changes, false) !== true || mechanism.needs === undefined,
    "without a password it says it is available",
  );
}
