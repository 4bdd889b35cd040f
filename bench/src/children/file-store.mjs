/**
 * Child of section h: what a file of accounts costs. `node --expose-gc file-store.mjs USERS ROUNDS` prints one JSON object.
 *
 * @module
 */
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { fileAccounts } = await import(new URL("../../../packages/store-file/dist/index.js", import.meta.url).href);
const [users, rounds] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), "sasl-bench-"));
try {
  console.log(JSON.stringify(await measure(join(folder, "users"))));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** @param {string} path */
async function measure(path) {
  const watch = watchLoop();
  const empty = await fileAccounts(path, { create: true });
  const authPassword = [verifier("SHA-256", "sha256", 32)];
  const importMs = await time(async () => {
    await Promise.all(names().map((name) => empty.store(name, { authPassword }, null)));
  });
  const importBlockMs = watch.longest();
  const changeMs = [];
  for (let i = 0; i < rounds; i++) changeMs.push(await time(() => empty.store(nameOf(i), { authPassword })));
  await empty.close();

  const loadMs = [];
  const bytesPerUser = [];
  const loadBlockMs = [];
  const lookupUs = [];
  const missUs = [];
  for (let i = 0; i < rounds; i++) {
    const before = await held();
    watch.longest();
    const start = performance.now();
    const store = await fileAccounts(path);
    loadMs.push(performance.now() - start);
    loadBlockMs.push(watch.longest());
    bytesPerUser.push(((await held()) - before) / users);
    lookupUs.push(await each(20_000, (n) => store.lookup(nameOf((n * 7919) % users))));
    missUs.push(await each(20_000, (n) => store.lookup(`nobody${n}`)));
    await store.close();
  }
  watch.stop();
  const fileBytes = statSync(path).size / users;
  return { importMs, importBlockMs, changeMs, loadMs, loadBlockMs, bytesPerUser, fileBytes, lookupUs, missUs };
}

function names() {
  return Array.from({ length: users }, (_, i) => nameOf(i));
}

/** @param {number} i */
function nameOf(i) {
  return `user${i}@example.org`;
}

/** @param {string} hash @param {string} digest @param {number} length */
function verifier(hash, digest, length) {
  const salt = Buffer.alloc(16, 1);
  const salted = pbkdf2Sync("open sesame", salt, 4096, length, digest);
  const key = (/** @type {string} */ text) => createHmac(digest, salted).update(text).digest();
  const storedKey = createHash(digest).update(key("Client Key")).digest();
  return { hash, salt, iterations: 4096, storedKey, serverKey: key("Server Key") };
}

/** @param {() => Promise<unknown>} run */
async function time(run) {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/** Microseconds of one. @param {number} count @param {(n: number) => unknown} run */
async function each(count, run) {
  const start = performance.now();
  for (let n = 0; n < count; n++) {
    const answer = run(n);
    if (answer instanceof Promise) await answer;
  }
  return ((performance.now() - start) * 1000) / count;
}

/** Bytes of the heap and of buffers, once everything that was let go is gone. */
async function held() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** The longest time the event loop did not turn, since it was asked last. */
function watchLoop() {
  let longest = 0;
  let last = performance.now();
  const tick = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last - 1);
    last = now;
  };
  const timer = setInterval(tick, 1);
  return {
    longest() {
      tick();
      const result = longest;
      longest = 0;
      return result;
    },
    stop: () => clearInterval(timer),
  };
}
