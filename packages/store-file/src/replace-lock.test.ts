import { mkdir, mkdtemp, readdir, readFile, rm, stat, unlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { acquire, sweep } from "./replace-lock.js";
import { readSignature } from "./snapshot.js";

const access = async () => {
  const { mode, uid, gid } = await stat(path);
  return { mode, uid, gid };
};

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sasl-replace-lock-"));
  path = join(folder, "users");
  await writeFile(path, "old", { mode: 0o600 });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("replaces the file and gives up the lock in one step", async () => {
  const lock = await acquire(path, 1000);
  const replaced = await lock.replace(Buffer.from("new"), await access(), await readSignature(path));
  expect(replaced).toEqual({ outcome: "replaced", signature: await readSignature(path) });
  expect(await readFile(path, "utf8")).toBe("new");
  const next = await acquire(path, 1000); // not released yet, and free all the same
  await lock.release();
  await expect(acquire(path, 0)).rejects.toMatchObject({ code: "temporary" }); // nor taken away by the release
  await next.release();
  expect(await readdir(folder)).toEqual(["users"]);
});

test("is held by one at a time", async () => {
  const first = await acquire(path, 1000);
  await expect(acquire(path, 30)).rejects.toMatchObject({
    code: "temporary",
    detail: expect.stringContaining("locked"),
  });
  const second = acquire(path, 5000);
  await first.release();
  await (await second).release();
  expect(await readdir(folder)).toEqual(["users"]);
});

test("R-STO-06 a writer whose lock was taken replaces nothing", async () => {
  const late = await acquire(path, 1000);
  const before = await readSignature(path);
  // As a waiter does to whoever seems dead.
  const [draft = ""] = await readdir(`${path}.lock`);
  await unlink(join(`${path}.lock`, draft));
  const next = await acquire(path, 1000);
  expect(await late.replace(Buffer.from("late"), await access(), before)).toEqual({ outcome: "overtaken" });
  await late.release();
  expect(await next.replace(Buffer.from("next"), await access(), before)).toMatchObject({ outcome: "replaced" });
  await next.release();
  expect(await readFile(path, "utf8")).toBe("next");
});

test("R-STO-06 what changed under the lock is not replaced", async () => {
  const lock = await acquire(path, 1000);
  const before = await readSignature(path);
  await writeFile(path, "edited");
  expect(await lock.replace(Buffer.from("new"), await access(), before)).toEqual({ outcome: "overtaken" });
  await lock.release();
  expect(await readFile(path, "utf8")).toBe("edited");
});

test("an empty lock is nobody's", async () => {
  await mkdir(`${path}.lock`);
  await (await acquire(path, 1000)).release();
  expect(await readdir(folder)).toEqual(["users"]);
});

const elsewhere = (n: number): string => `1-${"0".repeat(12)}-${String(n).padStart(16, "0")}`;

test("the lock of a writer somewhere else is taken when it has been still for long", async () => {
  await mkdir(`${path}.lock`);
  await writeFile(join(`${path}.lock`, elsewhere(0)), "half a dra");
  await expect(acquire(path, 100)).rejects.toMatchObject({ code: "temporary" });
  await (await acquire(path, 20_000)).release();
  expect(await readdir(folder)).toEqual(["users"]);
}, 30_000);

test("R-STO-07 what killed writers left is cleared away, what others wait with stays", async () => {
  const lock = await acquire(path, 1000);
  const [draft = ""] = await readdir(`${path}.lock`);
  const dead = draft.replace(/^[0-9]+/, "4194304"); // one more than Linux gives
  for (const id of [dead, elsewhere(0), elsewhere(1)]) await mkdir(`${path}.lock-${id}`);
  await writeFile(`${path}.lock-${dead}/${dead}`, "half a dra");
  await utimes(`${path}.lock-${elsewhere(1)}`, 1, 1);
  await sweep(path);
  await lock.release();
  expect((await readdir(folder)).sort()).toEqual(["users", `users.lock-${elsewhere(0)}`]);
});

test("what is called alike stays, however old", async () => {
  const alike = ["users.lock-notes", "users.lock-1-elsewhere-00", `users.lock-${elsewhere(2)}.bak`];
  for (const name of alike) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, "x"), "");
    await utimes(join(folder, name), 1, 1);
  }
  // Of a name like ours, but with something else in it.
  await mkdir(`${path}.lock-${elsewhere(3)}`);
  await writeFile(join(`${path}.lock-${elsewhere(3)}`, "x"), "");
  await utimes(`${path}.lock-${elsewhere(3)}`, 1, 1);
  await sweep(path);
  expect((await readdir(folder)).sort()).toEqual(["users", ...alike, `users.lock-${elsewhere(3)}`].sort());
});
