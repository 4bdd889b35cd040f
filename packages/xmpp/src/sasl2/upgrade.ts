/**
 * SCRAM upgrade tasks: who has logged in gives the server the verifier it lacks for a newer hash, without the password.
 * Source: XEP-0480; RFC 5802 §3 for what is derived.
 *
 * The server announces `UPGR-SCRAM-…`, the client asks for it along with `authenticate`; after everything else the server
 * sends salt and iteration count, and the client its SaltedPassword, which is as good as the password for SCRAM with that
 * hash. So a client gives it over channels it has bound the exchange to, and nowhere else unless told otherwise.
 *
 * @module
 */
import {
  type AccountProperties,
  type AccountStore,
  type CredentialProvider,
  SASLFailure,
  type ScramVerifier,
  saltedPassword,
  verifierFromSalted,
} from "sasl-core";
import { hashSha256, hashSha384, hashSha512, type ScramHash } from "sasl-core/mechanisms";
import {
  asSASLError,
  decodeBase64,
  encodeBase64,
  type IterationBounds,
  secretProperties,
  wipe,
} from "sasl-core/plugin";
import { elementsIn, isElement, textOf, type XMLAdapter } from "../element.js";
import { NS_SCRAM_UPGRADE, NS_UPGRADE } from "../namespaces.js";
import type { ClientAbout, ClientTask, ServerTask, TaskAbout, TaskConversation } from "./contract.js";

/** What a task asks the application for: the password that the login is made with. */
export interface UpgradeCredentials {
  readonly password?: string | undefined;
}

/** Options of {@link scramUpgrade}. */
export interface ScramUpgradeOptions {
  /** Hashes to make verifiers for. Default SHA-512, SHA-384 and SHA-256. */
  readonly hashes?: readonly ScramHash[] | undefined;
  /** Counts to accept; default 4096 to 600000, as for SCRAM itself (R-SCRAM-15). */
  readonly iterations?: Partial<IterationBounds> | undefined;
  /** As for mechanisms. Default `saslprep`. */
  readonly prepare?: Parameters<typeof saltedPassword>[2]["prepare"];
  /**
   * True upgrades after exchanges that were not bound to the channel, too: whoever sits in the middle of TLS then gets what
   * logs in as this user, also where the password itself was never sent (XEP-0480 §5). Default false.
   */
  readonly allowUnbound?: boolean | undefined;
}

/** Options of {@link scramUpgradeTasks}. */
export interface ScramUpgradeTaskOptions {
  /** Where verifiers are written; has `store`. */
  readonly accounts: AccountStore;
  /** Hashes to offer, at least one; each in one call, where there are several on a stream. */
  readonly hashes: readonly ScramHash[];
  /** Iterations of new verifiers: 4096 (RFC 7677 §4) to 600000, which clients take. Default 10000. */
  readonly iterations?: number | undefined;
  /**
   * Whether a login with this mechanism proves the password. The verifier lets its owner in for good, so that nobody may
   * leave one who came with a token, a ticket or a certificate. Default: SCRAM, PLAIN, LOGIN, CRAM-MD5, DIGEST-MD5 and SRP.
   */
  readonly provesPassword?: ((mechanism: string) => boolean) | undefined;
  /** Random octets instead of the runtime's, for tests. */
  readonly random?: ((count: number) => Uint8Array) | undefined;
  /** Told of verifiers that could not be written. The login goes on without. */
  readonly onFault?: ((error: unknown) => void) | undefined;
}

/**
 * The tasks at a client. It asks for those of its hashes that the server announces, with SCRAM-…-PLUS alone
 * (R-UPGR-05), and performs what it asked for and nothing else (R-UPGR-03).
 *
 * @param credentials the password, or a function that is asked for it once the server wants it, with the task's name in
 *   `mechanism`. A task without a password ends the login with `no-credentials`.
 */
export function scramUpgrade(
  credentials: CredentialProvider<UpgradeCredentials>,
  options: ScramUpgradeOptions = {},
): ClientTask {
  const { hashes = [hashSha512, hashSha384, hashSha256], iterations, prepare, allowUnbound = false } = options;
  const rows = rowsByTask(hashes);
  /** What was asked for last, by the announcement it answered: that is one for each login, and gone with it. */
  const asked = new WeakMap<object, readonly string[]>();
  return {
    handles: (name) => rows.has(name),
    request({ adapter, authentication }, mechanism) {
      const fitting = usualProof(mechanism) && (allowUnbound || mechanism.endsWith("-PLUS"));
      const announced = new Set(upgradesIn(adapter, authentication));
      const wanted = fitting ? [...rows.keys()].filter((name) => announced.has(name)) : [];
      asked.set(authentication as object, wanted);
      return wanted.map((name) => adapter.create("upgrade", NS_UPGRADE, {}, [name]));
    },
    async *perform<E>(name: string, { adapter, authentication, from }: ClientAbout<E>): TaskConversation<E> {
      const hash = rows.get(name);
      if (hash === undefined || !asked.get(authentication as object)?.includes(name)) {
        throw new SASLFailure("unexpected-message", "the server wants an upgrade that nobody asked for");
      }
      const { salt, count } = readSalt(adapter, yield []);
      checkCount(count, iterations);
      const password = await passwordFrom(credentials, name, from);
      const salted = await saltedPassword(hash, password, { salt, iterations: count, prepare });
      const text = encodeBase64(salted);
      wipe(salted);
      yield [adapter.create("hash", NS_SCRAM_UPGRADE, {}, [text])];
    },
  };
}

/**
 * The tasks at a server, one for each hash; each is due for who asked for it, proved a password and has no verifier for it,
 * nor the password in the store. They come after all others, one at a time (XEP-0480 §2.2), and announce the same to
 * everybody (R-SA2-06).
 *
 * A verifier is added to those the account has (R-UPGR-04), in one atomic step that fails, without failing the login, where
 * the account's secrets have changed since it began, other upgrades apart. Nothing is added once the exchange is over.
 *
 * @throws {TypeError} for a store that cannot write, or no hashes.
 * @throws {RangeError} for iterations out of bounds.
 */
export function scramUpgradeTasks(options: ScramUpgradeTaskOptions): readonly ServerTask[] {
  const {
    accounts,
    hashes,
    iterations = 10_000,
    provesPassword = usualProof,
    random = randomOctets,
    onFault,
  } = options;
  if (accounts.store === undefined) throw new TypeError("upgrades need an account store that can write");
  if (hashes.length === 0) throw new TypeError("upgrades need at least one hash");
  if (!Number.isInteger(iterations) || iterations < 4096 || iterations > 600_000) {
    throw new RangeError("iterations must be 4096 to 600000");
  }
  const rows = rowsByTask(hashes);
  /** The account's secrets as they were when the login was looked at first, by its result. */
  const secrets = new WeakMap<object, AccountProperties | undefined>();

  async function secretsOf(result: { readonly authcid: string }): Promise<AccountProperties | undefined> {
    if (!secrets.has(result)) secrets.set(result, await readSecrets(accounts, result.authcid));
    return secrets.get(result);
  }

  /** Somebody else's upgrades may have come behind what was there; the store says whether anything else did. */
  async function add<E>({ result, signal }: TaskAbout<E>, hash: ScramHash, verifier: ScramVerifier): Promise<void> {
    const [before, now] = [await secretsOf(result), await readSecrets(accounts, result.authcid)];
    if (before === undefined || now === undefined || !lacks(now, hash) || signal.aborted) return;
    const { authPassword: known = [] } = before;
    // Without any before, those that are there may be of another password.
    const more = known.length > 0 ? (now.authPassword ?? []).slice(known.length) : [];
    const expected = { ...before, authPassword: more.length > 0 ? [...known, ...more] : before.authPassword };
    const changes = { authPassword: [...known, ...more, verifier] };
    if (await accounts.store?.(result.authcid, changes, expected)) secrets.set(result, { ...expected, ...changes });
  }

  const task = (name: string, hash: ScramHash): ServerTask => ({
    name,
    step: upgradeStep,
    announce: ({ adapter }) => [adapter.create("upgrade", NS_UPGRADE, {}, [name])],
    async due({ adapter, request, mechanism, result }) {
      if (!upgradesIn(adapter, request).includes(name) || !provesPassword(mechanism)) return false; // R-UPGR-02
      if (result.credential !== undefined) return false; // one of several, and so not the password
      const found = await secretsOf(result);
      return found !== undefined && lacks(found, hash);
    },
    async *perform(about) {
      const { adapter } = about;
      const salt = random(16); // R-SCRAM-27
      const attributes = { iterations: String(iterations) };
      const heard = yield [adapter.create("salt", NS_SCRAM_UPGRADE, attributes, [encodeBase64(salt)])];
      const salted = decodeBase64(textIn(adapter, only(adapter, heard, "hash")), { maxBytes: hash.digest.size });
      const verifier = await verifierFromSalted(hash, salted, { salt, iterations }).finally(() => wipe(salted));
      await add(about, hash, verifier).catch((error: unknown) => onFault?.(error));
    },
  });
  return [...rows].map(([name, hash]) => task(name, hash));
}

/** Where upgrades stand in the order of tasks: behind whatever an application asks for (XEP-0480 §2.2). */
const upgradeStep = 1_000_000;

/** R-UPGR-01: the name of a row has no -PLUS. */
function rowsByTask(hashes: readonly ScramHash[]): ReadonlyMap<string, ScramHash> {
  return new Map(hashes.map((hash) => [`UPGR-${hash.name}`, hash]));
}

/** Mechanisms in which the password itself, or keys made from it, were proved. */
function usualProof(mechanism: string): boolean {
  return /^(?:SCRAM-.+|PLAIN|LOGIN|CRAM-MD5|DIGEST-MD5|SRP)$/.test(mechanism);
}

function upgradesIn<E>(adapter: XMLAdapter<E>, parent: E): string[] {
  return elementsIn(adapter, parent)
    .filter((child) => isElement(adapter, child, "upgrade", NS_UPGRADE))
    .map((child) => textIn(adapter, child));
}

function readSalt<E>(adapter: XMLAdapter<E>, heard: readonly E[]): { salt: Uint8Array; count: number } {
  const element = only(adapter, heard, "salt");
  const salt = decodeBase64(textIn(adapter, element), { maxBytes: maxSaltBytes });
  if (salt.length === 0) throw malformed("an empty salt");
  const count = adapter.attribute(element, "iterations");
  // RFC 5802 §7, posit-number (R-SCRAM-14). One too long for a number is beyond every bound.
  if (count === undefined || !/^[1-9][0-9]*$/.test(count)) throw malformed("an iteration count that is none");
  return { salt, count: Number(count) };
}

const maxSaltBytes = 1024;

/** The same bounds as in an exchange, looked at before anything is derived (R-SCRAM-15). */
function checkCount(count: number, { min = 4096, max = 600_000 }: Partial<IterationBounds> = {}): void {
  const code = count < min ? "peer-not-verified" : count > max && "limit-exceeded";
  if (code) throw new SASLFailure(code, `the server's iteration count is not in ${min} to ${max}`);
}

async function passwordFrom(
  credentials: CredentialProvider<UpgradeCredentials>,
  mechanism: string,
  from: string,
): Promise<string> {
  const host = from.slice(from.indexOf("@") + 1);
  const request = { kind: "password", mechanism, host, signal: undefined };
  const ask = async (): Promise<UpgradeCredentials | undefined> =>
    typeof credentials === "function" ? credentials(request) : credentials;
  const given = await ask().catch((error: unknown) => {
    throw asSASLError(error, "temporary", "the credential provider failed");
  });
  if (given?.password === undefined) throw new SASLFailure("no-credentials", `${mechanism}: there is no password`);
  return given.password;
}

/** The one element of this name among what was heard; those of other namespaces are nobody's business here. */
function only<E>(adapter: XMLAdapter<E>, heard: readonly E[], name: string): E {
  const ours = heard.filter((each) => adapter.namespace(each) === NS_SCRAM_UPGRADE);
  const [element] = ours;
  if (element === undefined || ours.length > 1 || adapter.name(element) !== name) {
    throw malformed(`no ${name}, or more than that`);
  }
  return element;
}

function textIn<E>(adapter: XMLAdapter<E>, element: E): string {
  const text = textOf(adapter, element);
  if (text === undefined) throw malformed("more than text");
  return text;
}

/** Every secret the account has, as a store's `expected` wants it; `undefined` where there is no account. */
async function readSecrets(accounts: AccountStore, name: string): Promise<AccountProperties | undefined> {
  try {
    const found = await accounts.lookup(name, secretProperties);
    if (!found) return undefined;
    const picked = Object.fromEntries(secretProperties.map((each) => [each, found[each]]));
    if (picked.authPassword !== undefined && !Array.isArray(picked.authPassword)) throw new TypeError("no list");
    return picked;
  } catch (error) {
    throw asSASLError(error, "temporary", "accounts cannot be looked up at present");
  }
}

function lacks({ userPassword, authPassword }: AccountProperties, { digest }: ScramHash): boolean {
  return userPassword === undefined && authPassword?.some((each) => each.hash === digest.name) !== true;
}

function randomOctets(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count));
}

function malformed(what: string): SASLFailure {
  return new SASLFailure("malformed-message", `an upgrade with ${what}`);
}
