/**
 * The one account all rows log in to, in every form the candidates want it.
 *
 * @module
 */
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";

/** ASCII on purpose: string preparation of it is the fast path of every candidate that has one. */
export const username = "user";
export const password = "pencil";
export const iterations = 4096;
export const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");

const saltedPassword = pbkdf2Sync(password, salt, iterations, 32, "sha256");
export const clientKey = createHmac("sha256", saltedPassword).update("Client Key").digest();
export const serverKey = createHmac("sha256", saltedPassword).update("Server Key").digest();
export const storedKey = createHash("sha256").update(clientKey).digest();

/** What the C programs read. */
export const nativeEnvironment = {
  BENCH_USER: username,
  BENCH_PASSWORD: password,
  BENCH_SALT: salt.toString("base64"),
  BENCH_ITERATIONS: String(iterations),
  BENCH_SALTED: saltedPassword.toString("hex"),
  BENCH_STORED: storedKey.toString("base64"),
  BENCH_SERVER: serverKey.toString("base64"),
};

/** One line of a Dovecot passwd-file: stored keys, in Dovecot's own field order (iterations,salt,stored,server). */
export const passwdFileLine = `${username}:{SCRAM-SHA-256}${[
  iterations,
  salt.toString("base64"),
  storedKey.toString("base64"),
  serverKey.toString("base64"),
].join(",")}`;
