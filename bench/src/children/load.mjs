/**
 * The load: connects, logs in over IMAP with SCRAM-SHA-256 and keys at hand, checks the server's signature, closes, and
 * begins again. Reads lines "PORT MILLISECONDS PARALLEL", answers each with one line of JSON.
 *
 * @module
 */
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { clientKey, serverKey } from "../lib/account.mjs";
import { FloorClient } from "../lib/floor.mjs";

/** @param {number} port @returns {Promise<void>} resolves when the server said OK and the socket is closed */
function login(port) {
  return new Promise((resolve, reject) => {
    const client = new FloorClient();
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    /** @type {Error | undefined} */
    let failure = new Error("closed early");
    let step = 0;
    let rest = "";
    socket.setEncoding("latin1");
    socket.on("error", (error) => {
      failure = error;
    });
    socket.on("close", () => (failure === undefined ? resolve() : reject(failure)));
    socket.on("data", (/** @type {string} */ data) => {
      rest += data;
      for (let end = rest.indexOf("\r\n"); end >= 0 && !socket.destroyed; end = rest.indexOf("\r\n")) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        try {
          answer(line);
        } catch (error) {
          failure = error instanceof Error ? error : new Error(String(error));
          socket.destroy();
        }
      }
    });
    const answer = (/** @type {string} */ line) => {
      if (step === 0) {
        socket.write(`a AUTHENTICATE SCRAM-SHA-256 ${base64(client.first())}\r\n`);
      } else if (step === 1) {
        socket.write(`${base64(client.final(challenge(line), clientKey, serverKey))}\r\n`);
      } else if (step === 2) {
        client.verify(challenge(line));
        socket.write("\r\n");
      } else if (line.startsWith("a ")) {
        failure = line.startsWith("a OK") ? undefined : new Error(line);
        socket.destroy();
      }
      step++;
    };
  });
}

/** @param {string} line of the server's */
function challenge(line) {
  if (!line.startsWith("+ ")) throw new Error(`instead of a challenge: ${line}`);
  return Buffer.from(line.slice(2), "base64").toString();
}
/** @param {string} text */
const base64 = (text) => Buffer.from(text).toString("base64");

for await (const line of createInterface(process.stdin)) {
  const [port, milliseconds, parallel] = line.split(" ").map(Number);
  const started = performance.now();
  let logins = 0;
  let failures = 0;
  let failure = "";
  const worker = async () => {
    while (performance.now() - started < milliseconds && failures < 50) {
      try {
        await login(port);
        logins++;
      } catch (error) {
        failures++;
        failure = String(error);
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  console.log(JSON.stringify({ logins, failures, failure, seconds: (performance.now() - started) / 1000 }));
}
