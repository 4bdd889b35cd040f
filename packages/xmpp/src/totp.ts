/**
 * `sasl-xmpp/totp`: a second factor for SASL2 servers, codes of RFC 6238, and what it takes to enrol users. The client's
 * half, `totp`, is in `sasl-xmpp`. Follows semver.
 *
 * An entry of its own because it alone needs the package `otpauth`, an optional peer dependency.
 *
 * @module
 */
import { Secret, TOTP } from "otpauth";
import { type AccountStore, SASLFailure, type ServerResult, saslError } from "sasl-core";
import { asSASLError, type PropertyValue } from "sasl-core/plugin";
import type { ServerTask } from "./sasl2/contract.js";
import { parseCode, totpTaskName } from "./sasl2/totp.js";

/** Property of an account that holds its {@link TotpRecord}. Secret. */
export const totpProperty = "totp";

/** What a server keeps for one account. Stores write it as it is. */
export interface TotpRecord {
  /** Raw octets, at least 16 (RFC 4226 §4, R6). Secret: whoever has it can make every code. */
  readonly secret: Uint8Array;
  readonly algorithm: "SHA1" | "SHA256" | "SHA512";
  /** Length of a code, 6 to 8. */
  readonly digits: number;
  /** Seconds that a code is shown, 1 to 3600. */
  readonly period: number;
  /** The step of the last code that was accepted: neither it nor an older one is ever again (RFC 6238 §5.2). */
  readonly lastStep?: number | undefined;
  /** Wrong codes since the last right one. */
  readonly failures?: number | undefined;
  /** When the last of them came, in milliseconds since 1970. */
  readonly failedAt?: number | undefined;
  readonly [field: string]: PropertyValue | undefined;
}

/** Options of {@link newTotp}. */
export interface NewTotpOptions {
  /** Who the account is with, as the app shows it; without a colon. */
  readonly issuer: string;
  /** Whose account it is, as the app shows it: the bare JID. */
  readonly account: string;
  /** Many apps know SHA1 alone, which is as good as the others here (RFC 4226 §B.2). Default SHA1. */
  readonly algorithm?: TotpRecord["algorithm"] | undefined;
  /** 6 to 8. Default 6. */
  readonly digits?: number | undefined;
  /** In seconds, 15 to 300. Default 30 (RFC 6238 §5.2). */
  readonly period?: number | undefined;
  /** Random octets instead of the runtime's, for tests. */
  readonly random?: ((count: number) => Uint8Array) | undefined;
}

/** A second factor that nobody has confirmed yet. All of it is secret. */
export interface NewTotp {
  readonly record: TotpRecord;
  /** `otpauth://totp/…`, what apps read from a QR code. */
  readonly uri: string;
  /** The secret in Base32, for people who type it. */
  readonly secret: string;
}

/** Which codes count. */
export interface TotpWindow {
  /** How many steps a clock may be behind or ahead, 0 to 10. Default 1 (RFC 6238 §5.2). */
  readonly window?: number | undefined;
  /** The time, in milliseconds since 1970; for tests. */
  readonly now?: (() => number) | undefined;
}

/** Options of {@link totpTask}. */
export interface TotpTaskOptions extends TotpWindow {
  /** Where the records are; has `store`. */
  readonly accounts: AccountStore;
  /** What clients know the task by. Default `TOTP`. */
  readonly name?: string | undefined;
  /**
   * Wrong codes in a row that cost nothing but the login, 1 to 100. From there on an account has to wait before the next,
   * a minute and then twice as long for each, up to a day (RFC 4226 §7.3). Default 5.
   */
  readonly freeFailures?: number | undefined;
  /** Whether a login has to do it although the account has a second factor. Default: all but those with tokens (`HT-…`), which
   * are given after it (XEP-0484 §3.3) and ask for nothing interactive. */
  readonly applies?: ((about: { readonly mechanism: string; readonly result: ServerResult }) => boolean) | undefined;
  /** For people: why it has to be done. */
  readonly text?: string | undefined;
}

/**
 * A new secret. Show it to the user, and store the record when {@link confirmTotp} has taken the first code.
 *
 * @throws {RangeError} for digits or a period out of bounds, and an algorithm that is none.
 * @throws {TypeError} for an issuer or an account that is empty, and an issuer with a colon.
 */
export function newTotp(options: NewTotpOptions): NewTotp {
  const { issuer, account, algorithm = "SHA1", digits = 6, period = 30, random = randomOctets } = options;
  if (!issuer || !account || issuer.includes(":")) throw new TypeError("issuer and account name what the app shows");
  if (!Number.isInteger(period) || period < 15 || period > 300) throw new RangeError("a period is 15 to 300 seconds");
  // RFC 6238 §5.1: as long as the hash.
  const secret = random({ SHA1: 20, SHA256: 32, SHA512: 64 }[algorithm]);
  const record = { secret, algorithm, digits, period };
  if (!isSound(record)) throw new RangeError("digits are 6 to 8, and algorithm is SHA1, SHA256 or SHA512");
  const otp = generator(record, { issuer, label: account });
  return { record, uri: otp.toString(), secret: otp.secret.base32 };
}

/**
 * Whether an app shows what it should, before its record counts for logins.
 *
 * @param code as the user typed it; spaces and hyphens are dropped.
 * @returns the record to store under {@link totpProperty}; that code is used up. `undefined` for a wrong code.
 */
export function confirmTotp(record: TotpRecord, code: string, options: TotpWindow = {}): TotpRecord | undefined {
  const step = stepOf(record, code.replace(/[\s-]/g, ""), windowOf(options), (options.now ?? Date.now)());
  return step === undefined ? undefined : { ...record, lastStep: step };
}

/** The code for a moment, in milliseconds since 1970: for clients that keep the secret themselves, and for tests. */
export function totpCode(
  record: Pick<TotpRecord, "secret" | "algorithm" | "digits" | "period">,
  at: number = Date.now(),
): string {
  return generator(record).generate({ timestamp: at });
}

/**
 * The task at a server: due for every account that has a record. A code counts once, within the window; what it did to the
 * account is written, by compare-and-set, before anybody hears whether it was right. A wrong code ends the login as a wrong
 * password does.
 *
 * @throws {TypeError} for a store that cannot write.
 * @throws {RangeError} for a window or failures out of bounds.
 */
export function totpTask(options: TotpTaskOptions): ServerTask {
  const { accounts, name = totpTaskName, freeFailures = 5, applies = needsFactor, now = Date.now, text } = options;
  if (accounts.store === undefined) throw new TypeError("a second factor needs an account store that can write");
  if (!Number.isInteger(freeFailures) || freeFailures < 1 || freeFailures > 100) {
    throw new RangeError("freeFailures must be 1 to 100");
  }
  const window = windowOf(options);
  return {
    name,
    text,
    async due({ mechanism, result }) {
      return applies({ mechanism, result }) && (await read(accounts, result.authcid)) !== undefined;
    },
    // biome-ignore lint/correctness/useYield: the code comes with `next`, and there is nothing more to say
    async *perform({ adapter, result, signal }, next) {
      const code = parseCode(adapter, next);
      // A record that somebody else changed meanwhile is looked at anew, so that of equal codes one is right (RFC 6238 §5.2).
      for (let tries = 0; tries < maxTries; tries++) {
        const record = await read(accounts, result.authcid);
        if (record === undefined) throw saslError("refused", "the second factor is gone");
        const at = now();
        if (at < blockedUntil(record, freeFailures)) throw new SASLFailure("limit-exceeded", "too many wrong codes");
        const step = stepOf(record, code, window, at);
        const { failures = 0, lastStep, failedAt, ...lasting } = record;
        const after =
          step === undefined ? { ...record, failures: failures + 1, failedAt: at } : { ...lasting, lastStep: step };
        // Nobody hears the verdict any more: a right code is still to be used, and a wrong one was of no use.
        if (signal.aborted) throw new SASLFailure("aborted", "the exchange is over");
        if (!(await write(accounts, result.authcid, after, record))) continue;
        if (step === undefined) throw saslError("refused", "a wrong code");
        return;
      }
      throw new SASLFailure("temporary", "the account is changing all the time");
    },
  };
}

const maxTries = 16;

function needsFactor({ mechanism }: { readonly mechanism: string }): boolean {
  return !mechanism.startsWith("HT-");
}

/** RFC 4226 §7.3: each wrong code beyond the free ones doubles the time until the next is looked at. */
function blockedUntil({ failures = 0, failedAt = 0 }: TotpRecord, freeFailures: number): number {
  if (failures < freeFailures) return 0;
  return failedAt + Math.min(60_000 * 2 ** (failures - freeFailures), 86_400_000);
}

/** The step a code belongs to; `undefined` for a wrong one, and for one of a step that is used up. */
function stepOf(record: TotpRecord, code: string, window: number, at: number): number | undefined {
  if (!/^[0-9]+$/.test(code)) return undefined;
  const otp = generator(record);
  const delta = otp.validate({ token: code, timestamp: at, window });
  const step = delta === null ? undefined : otp.counter({ timestamp: at }) + delta;
  return step !== undefined && step > (record.lastStep ?? -1) ? step : undefined;
}

function generator(
  { secret, algorithm, digits, period }: Pick<TotpRecord, "secret" | "algorithm" | "digits" | "period">,
  names: { readonly issuer?: string; readonly label?: string } = {},
): TOTP {
  // A copy: the buffer of a view may hold more than the view.
  return new TOTP({
    ...names,
    secret: new Secret({ buffer: Uint8Array.from(secret).buffer }),
    algorithm,
    digits,
    period,
  });
}

function windowOf({ window = 1 }: TotpWindow): number {
  if (!Number.isInteger(window) || window < 0 || window > 10) throw new RangeError("a window is 0 to 10 steps");
  return window;
}

/** @throws {SASLFailure} `temporary` when it cannot be read, or is none (R-STO-04): nobody is let in without it. */
async function read(accounts: AccountStore, name: string): Promise<TotpRecord | undefined> {
  try {
    const record = (await accounts.lookup(name, [totpProperty]))?.[totpProperty];
    if (record === undefined || record === null) return undefined;
    if (!isSound(record)) throw new TypeError("a second factor that is none");
    return record;
  } catch (error) {
    throw asSASLError(error, "temporary", "accounts cannot be looked up at present");
  }
}

async function write(accounts: AccountStore, name: string, after: TotpRecord, before: TotpRecord): Promise<boolean> {
  try {
    return (await accounts.store?.(name, { [totpProperty]: after }, { [totpProperty]: before })) === true;
  } catch (error) {
    throw asSASLError(error, "temporary", "accounts cannot be written at present");
  }
}

function isSound(value: unknown): value is TotpRecord {
  const { secret, algorithm, digits, period, lastStep, failures, failedAt } = value as Partial<Record<string, unknown>>;
  const count = (each: unknown) => each === undefined || (Number.isSafeInteger(each) && (each as number) >= 0);
  const within = (each: unknown, min: number, max: number) =>
    Number.isInteger(each) && (each as number) >= min && (each as number) <= max;
  return (
    Object.prototype.toString.call(secret) === "[object Uint8Array]" &&
    within((secret as Uint8Array).length, 16, 1024) &&
    (algorithm === "SHA1" || algorithm === "SHA256" || algorithm === "SHA512") &&
    within(digits, 6, 8) &&
    within(period, 1, 3600) &&
    [lastStep, failures, failedAt].every(count)
  );
}

function randomOctets(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count));
}
