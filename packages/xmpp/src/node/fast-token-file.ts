/**
 * FAST tokens in a file of one user. Source: XEP-0484 §4.1.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { open, readFile, realpath, rename, rm } from "node:fs/promises";
import { SASLFailure } from "sasl-core";
import { type FastToken, type FastTokenStore, isFastToken } from "../sasl2/fast-store.js";

/**
 * Keeps FAST tokens in a file: a JSON object with a token for each bare JID. The file is made when there is something to
 * keep, readable for its owner alone (mode 0600), and replaced as a whole, so that whoever reads it or is killed while writing
 * finds the old or the new one. One store at a time writes it: what another process wrote in the same moment may be lost,
 * which costs a login with the password.
 *
 * @param path of the file, in a folder that is there.
 * @returns a store whose methods throw a `SASLFailure` `temporary` when the file cannot be read or written, or holds
 *   something else.
 */
export function fastTokenFile(path: string): FastTokenStore {
  let last: Promise<unknown> = Promise.resolve();
  const inOrder = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  };
  return {
    get: (account) => inOrder(async () => (await read(path)).get(account)),
    set: (account, token) =>
      inOrder(async () => {
        const tokens = await read(path);
        if (token === undefined && !tokens.has(account)) return;
        if (token) tokens.set(account, token);
        else tokens.delete(account);
        await replace(path, `${JSON.stringify(Object.fromEntries(tokens), null, 2)}\n`);
      }),
  };
}

async function read(path: string): Promise<Map<string, FastToken>> {
  let entries: [string, unknown][];
  try {
    const content: unknown = JSON.parse(await readFile(path, "utf8"));
    entries = Object.entries(Array.isArray(content) ? { content } : Object(content));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return new Map();
    // A parser's message quotes what it read.
    const told = cause instanceof SyntaxError ? {} : { cause };
    throw new SASLFailure("temporary", "the file of FAST tokens cannot be read", told);
  }
  if (!entries.every((entry): entry is [string, FastToken] => isFastToken(entry[1]))) {
    throw new SASLFailure("temporary", "the file holds something else than FAST tokens");
  }
  return new Map(entries);
}

/** The draft is nobody else's from its first moment, and on the disk before it takes the place of the file. */
async function replace(path: string, content: string): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const draft = `${target}.${randomBytes(9).toString("hex")}`;
  try {
    const handle = await open(draft, "wx", 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, target);
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => {});
    throw new SASLFailure("temporary", "the file of FAST tokens cannot be written", { cause });
  }
}
