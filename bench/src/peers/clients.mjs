/**
 * The npm peers' SCRAM-SHA-256 clients, driven in memory through what their packages export.
 * Each function loads its peer and returns one whole exchange, server signature checked the way the peer does it.
 *
 * @module
 */
import * as account from "../lib/account.mjs";
import { ScriptedServer } from "../lib/scripted-server.mjs";

/**
 * strophe.js: its mechanism object on a connection object that never connects.
 *
 * @param {"derive" | "cached"} keys `cached` hands over the keys it offers to keep
 */
export async function strophe(keys = "derive") {
  const { Strophe } = await import("strophe.js");
  const mechanism = new Strophe.SASLSHA256();
  const connection = new Strophe.Connection("ws://localhost:1/");
  connection.authcid = account.username;
  connection.pass =
    keys === "derive"
      ? account.password
      : {
          name: "SHA-256",
          iter: account.iterations,
          salt: account.salt.toString("base64"),
          ck: account.clientKey.toString("base64"),
          sk: account.serverKey.toString("base64"),
        };
  return async () => {
    const server = new ScriptedServer();
    connection._sasl_data = {};
    mechanism.onStart(connection);
    const challenge = server.first(mechanism.clientChallenge(connection));
    const verdict = server.final(await mechanism.onChallenge(connection, challenge));
    // As in its _sasl_success_cb.
    if (verdict !== `v=${connection._sasl_data["server-signature"]}`) throw new Error("strophe.js: wrong signature");
    mechanism.onSuccess();
  };
}

/** stanza: the mechanism class of its SASL module. */
export async function stanza() {
  const { SCRAM } = await import("stanza/lib/sasl/index.js");
  const credentials = { username: account.username, password: account.password };
  return async () => {
    const server = new ScriptedServer();
    const mechanism = new SCRAM("SCRAM-SHA-256");
    const respond = () => String(mechanism.createResponse(credentials));
    mechanism.processChallenge(Buffer.from(server.first(respond())));
    mechanism.processSuccess(Buffer.from(server.final(respond())));
    if (!mechanism.finalize().mutuallyAuthenticated) throw new Error("stanza: not authenticated");
  };
}

/** pg: the session functions that its connection calls. */
export async function pg() {
  // @ts-expect-error: no types for what is inside the package
  const { default: sasl } = await import("pg/lib/crypto/sasl.js");
  return async () => {
    const server = new ScriptedServer();
    const session = sasl.startSession(["SCRAM-SHA-256"]);
    await sasl.continueSession(session, account.password, server.first(session.response));
    sasl.finalizeSession(session, server.final(session.response));
  };
}
