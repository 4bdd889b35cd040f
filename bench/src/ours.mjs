/**
 * Our rows of sections a to d and f: everything here that knows the interface of `sasl-core`.
 *
 * @module
 */
import * as account from "./lib/account.mjs";
import { FloorClient } from "./lib/floor.mjs";
import { ScriptedServer } from "./lib/scripted-server.mjs";

/**
 * @typedef {object} Ours
 * @property {() => Promise<void>} clientExchange password login against the scripted server
 * @property {() => Promise<void>} cachedBothEnds SCRAM-SHA-256, client with derived keys against a session of ours
 * @property {() => Promise<void>} plainBothEnds
 * @property {(count: number, watch: import("./lib/measure.mjs").Watch) => Promise<void>} serverHalf
 * @property {() => Promise<unknown>} halfOpen a session that waits for the client's proof
 */

/** Sessions held open between the two timed parts of {@link Ours.serverHalf}. */
const batch = 500;
const name = "SCRAM-SHA-256";
const utf8 = new TextEncoder();
const text = new TextDecoder();

/** @returns {Promise<Ours | string>} the rows, or why they are missing. */
export async function ours() {
  try {
    return rows(await import("sasl-core"), await import("sasl-core/mechanisms"));
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : error;
    return `sasl-core does not load, build it first: ${reason}`;
  }
}

/**
 * @param {typeof import("sasl-core")} core
 * @param {typeof import("sasl-core/mechanisms")} mechanisms
 * @returns {Ours}
 */
function rows({ SASLServer, SASLStateMachine }, { PLAIN, plain, SCRAM, scramSha256 }) {
  const { username, password, salt, iterations, clientKey, serverKey, storedKey } = account;
  const withPassword = SCRAM({ username, password });
  const withKeys = SCRAM({ username, keys: { hash: "SHA-256", salt, iterations, clientKey, serverKey } });
  const inTheClear = PLAIN({ username, password });
  const verifier = { hash: "SHA-256", salt, iterations, storedKey, serverKey };
  const stored = { authPassword: [verifier] };
  const clear = { userPassword: password };
  const scramServer = new SASLServer({ mechanisms: [scramSha256], accounts: { lookup: () => stored } });
  const plainServer = new SASLServer({ mechanisms: [plain], accounts: { lookup: () => clear } });
  const connection = { secure: true, successData: true };

  return {
    async clientExchange() {
      await withPassword.authenticate(new SASLStateMachine(new ScriptedInterface()), name);
    },
    async cachedBothEnds() {
      await withKeys.authenticate(new SASLStateMachine(scramServer.session(connection)), name);
    },
    async plainBothEnds() {
      await inTheClear.authenticate(new SASLStateMachine(plainServer.session(connection)), "PLAIN");
    },
    async serverHalf(count, watch) {
      for (let done = 0; done < count; done += batch) {
        const clients = Array.from({ length: Math.min(batch, count - done) }, () => new FloorClient());
        const firsts = clients.map((client) => utf8.encode(client.first()));
        /** @type {import("sasl-core").SASLServerSession[]} */
        const sessions = [];
        /** @type {Uint8Array[]} */
        const challenges = [];
        watch.start();
        for (const first of firsts) {
          const session = scramServer.session(connection);
          const reply = await session.initiate(name, first);
          if (reply.state === "challenge") challenges.push(reply.payload);
          sessions.push(session);
        }
        watch.stop();
        const finals = challenges.map((challenge, i) =>
          utf8.encode(clients[i].final(text.decode(challenge), clientKey, serverKey)),
        );
        /** @type {(Uint8Array | undefined)[]} */
        const verdicts = [];
        watch.start();
        for (const [i, session] of sessions.entries()) {
          const reply = await session.respond(finals[i]);
          verdicts.push(reply.state === "success" ? reply.payload : undefined);
        }
        watch.stop();
        for (const [i, client] of clients.entries()) client.verify(text.decode(verdicts[i]));
      }
    },
    async halfOpen() {
      const session = scramServer.session(connection);
      const { state } = await session.initiate(name, utf8.encode(new FloorClient().first()));
      if (state !== "challenge") throw new Error(`the session is at ${state}`);
      return session;
    },
  };
}

/** The scripted server as our client sees it; one exchange. */
class ScriptedInterface {
  secure = true;
  #server = new ScriptedServer();

  /** @param {string} _mechanism @param {Uint8Array} [payload] */
  async initiate(_mechanism, payload) {
    const challenge = this.#server.first(text.decode(payload));
    return { state: /** @type {const} */ ("challenge"), payload: utf8.encode(challenge) };
  }
  /** @param {Uint8Array} payload */
  async respond(payload) {
    const verdict = this.#server.final(text.decode(payload));
    return { state: /** @type {const} */ ("success"), payload: utf8.encode(verdict) };
  }
  async abort() {
    return { state: /** @type {const} */ ("failure") };
  }
}
