/**
 * What a SCRAM-SHA-256 login costs in this page, from `authenticate` to its result, against a server whose answers are known
 * beforehand. One bare `deriveBits` of the same size and strophe.js beside it.
 *
 * @module
 */
import { authenticate, type Credentials, type SASLInterface, ScramKeyCache, type ScramKeyStore } from "sasl-core";
import { browserKeyCache } from "sasl-core/browser";
import { SCRAM } from "sasl-core/mechanisms";
import { Strophe } from "strophe.js";

/** Milliseconds, medians. */
export interface SpeedRow {
  readonly iterations: number;
  readonly deriveBits: number;
  readonly login: number;
  /** The same, with a `browserKeyCache` that derives and keeps keys no script can read. */
  readonly loginKeeping: number;
  readonly strophe: number;
  /** With a `ScramKeyCache` that has the keys. */
  readonly cached: number;
  /** With a `browserKeyCache` that has them, in IndexedDB, and no password. */
  readonly kept: number;
  /** With keys that no script can read, at hand. */
  readonly held: number;
}

const password = "pencil";
const nonce = "rOprNGfwEbeRWgbNEkqO";
const salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
const hash = "SHA-256";
const { subtle } = crypto;
const utf8 = new TextEncoder();
const bytes = (base64: string) => Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));

/** Answers of a server: the nonces are fixed, so they are always the same. */
async function answersWith(iterations: number): Promise<readonly [first: string, final: string]> {
  const first = `r=${nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=${salt},i=${iterations}`;
  const salted = await derive(iterations);
  const mac = async (key: BufferSource, text: string) => {
    const imported = await subtle.importKey("raw", key, { name: "HMAC", hash }, false, ["sign"]);
    return subtle.sign("HMAC", imported, utf8.encode(text));
  };
  const message = `n=user,r=${nonce},${first},c=biws,${first.split(",")[0]}`;
  const signature = new Uint8Array(await mac(await mac(salted, "Server Key"), message));
  return [first, `v=${btoa(String.fromCharCode(...signature))}`];
}

async function derive(iterations: number): Promise<ArrayBuffer> {
  const key = await subtle.importKey("raw", utf8.encode(password), "PBKDF2", false, ["deriveBits"]);
  return subtle.deriveBits({ name: "PBKDF2", hash, salt: bytes(salt), iterations }, key, 256);
}

function scripted([first, final]: readonly [string, string]): SASLInterface {
  return {
    initiate: async () => ({ state: "challenge", payload: utf8.encode(first) }),
    respond: async () => ({ state: "success", payload: utf8.encode(final) }),
    abort: async () => ({ state: "failure" }),
  };
}

/** Ways of spending the time. */
type Ways = Readonly<Record<Exclude<keyof SpeedRow, "iterations">, () => Promise<unknown>>>;

/** The ways, and what is done between two runs without being measured. */
interface Course {
  readonly ways: Ways;
  readonly between: () => Promise<void>;
}

async function courseWith(iterations: number): Promise<Course> {
  const answers = await answersWith(iterations);
  const login = async (credentials: Credentials, keyCache?: ScramKeyStore) => {
    const settings = { host: "example.com", nonce: () => nonce, keyCache };
    const { serverVerified } = await authenticate(
      scripted(answers),
      ["SCRAM-SHA-256", "PLAIN"],
      [SCRAM(credentials)],
      settings,
    );
    if (!serverVerified) throw new Error("the server was not verified");
  };
  const withPassword = { username: "user", password };
  const inMemory = new ScramKeyCache();
  await login(withPassword, inMemory);
  const kept = browserKeyCache({ database: `speed-${iterations}` });
  await login(withPassword, kept);
  const keeping = browserKeyCache({ database: `speed-keeping-${iterations}` });
  const held = await heldKeys(kept, login);
  const ways: Ways = {
    deriveBits: () => derive(iterations),
    login: () => login(withPassword),
    loginKeeping: () => login(withPassword, keeping),
    strophe: () => strophe(answers),
    cached: () => login(withPassword, inMemory),
    kept: () => login({ username: "user", keys: "cached" }, kept),
    held: () => login({ username: "user", keys: held }),
  };
  const between = async () => {
    await keeping.clear();
    await new Promise((resolve) => setTimeout(resolve, 5)); // what the database still does is none of the login
  };
  return { ways, between };
}

/** What the cache gives SCRAM. */
async function heldKeys(
  kept: ScramKeyStore,
  login: (credentials: Credentials, keyCache: ScramKeyStore) => Promise<void>,
): Promise<Exclude<Credentials["keys"], "cached">> {
  let found: Exclude<Credentials["keys"], "cached">;
  await login(
    { username: "user", keys: "cached" },
    {
      async keysFor(ctx, request) {
        found = await kept.keysFor(ctx, request);
        return found;
      },
    },
  );
  return found;
}

/** strophe.js: its mechanism object on a connection object that never connects. */
async function strophe([first, final]: readonly [string, string]): Promise<void> {
  const mechanism = new Strophe.SASLSHA256();
  // biome-ignore lint/suspicious/noExplicitAny: as much of a connection as its mechanism looks at
  const connection: any = {
    authcid: "user",
    pass: password,
    domain: "example.com",
    jid: "user@example.com",
    _sasl_data: {},
  };
  mechanism.onStart(connection);
  mechanism.clientChallenge(connection, nonce);
  await mechanism.onChallenge(connection, first);
  if (connection._sasl_data["server-signature"] !== final.slice(2))
    throw new Error("strophe.js expects another signature");
}

/** Medians of `rounds`, each way once in each round, `batch` times in a row: a page's clock has steps of 0.1 ms. */
async function measure(iterations: number, rounds: number, batch: number): Promise<SpeedRow> {
  const course = await courseWith(iterations);
  const ways = Object.entries(course.ways) as [keyof Ways, () => Promise<unknown>][];
  const times = new Map(ways.map(([name]) => [name, [] as number[]]));
  for (let round = -3; round < rounds; round++) {
    for (const [name, run] of ways) {
      let spent = 0;
      for (let i = 0; i < batch; i++) {
        if (name === "loginKeeping") await course.between();
        const begun = performance.now();
        await run();
        spent += performance.now() - begun;
      }
      if (round >= 0) times.get(name)?.push(spent / batch);
    }
  }
  const median = (each: readonly number[] = []) => each.toSorted((a, b) => a - b)[each.length >> 1] ?? Number.NaN;
  const row = Object.fromEntries(ways.map(([name]) => [name, median(times.get(name))])) as Omit<SpeedRow, "iterations">;
  return { iterations, ...row };
}

/** 4096 and 10000 iterations. */
async function measureSpeed(rounds = 41, batch = 5): Promise<readonly SpeedRow[]> {
  return [await measure(4096, rounds, batch), await measure(10_000, rounds, batch)];
}

Object.assign(globalThis, { measureSpeed });
