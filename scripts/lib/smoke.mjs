/**
 * Programs for an empty project into which the packed packages were installed.
 *
 * @module
 */

/** A SCRAM login without a wire, and a look at what every binding exports. */
export const imported = `
import { authenticate, memoryAccounts, SASLServer } from "sasl-core";
import { SCRAM, scramSha256 } from "sasl-core/mechanisms";
import * as imap from "sasl-imap";
import * as smtp from "sasl-smtp";
import * as xmpp from "sasl-xmpp";
for (const [name, binding] of Object.entries({ imap, smtp, xmpp })) {
  for (const part of ["discover", "announce", "SASLClient", "serve", "parseFailure", "formatFailure", "authenticate"]) {
    if (typeof binding[part] !== "function") throw new Error(\`sasl-\${name} has no \${part}\`);
  }
}
const server = new SASLServer({ mechanisms: [scramSha256], accounts: memoryAccounts({ tim: "secret" }) });
const connection = { secure: true };
const login = await authenticate(server.session(connection), server.mechanisms(connection), [
  SCRAM({ username: "tim", password: "secret" }),
]);
console.log(\`import works: \${login.mechanism}\`);
`;

/** `require()` of every package. */
export const required = `
const core = require("sasl-core");
const { scramSha256 } = require("sasl-core/mechanisms");
const server = new core.SASLServer({ mechanisms: [scramSha256], accounts: core.memoryAccounts() });
console.log(\`require works: \${server.mechanisms({ secure: true }).join()}\`);
for (const name of ["sasl-lines", "sasl-imap", "sasl-smtp", "sasl-xmpp", "sasl-xmpp/node"]) require(name);
for (const name of ["file", "sql", "ldap"]) console.log(\`store: \${require(\`sasl-store-\${name}\`).saslPlugin.stores[0].schemes}\`);
for (const name of ["sasl-formats", "sasl-passwords", "sasl-throttle"]) require(name);
for (const name of ["nodemailer", "smtp-server", "imapflow", "kafkajs", "ldapts"]) require(\`sasl-\${name}\`);
`;
