/**
 * The packages as a user gets them: packed, installed with npm into an empty project, then imported and required.
 *
 * @module
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { preparePath } from "./lib/install.mjs";
import { packAll } from "./lib/pack.mjs";
import { must, say, step } from "./lib/run.mjs";

/** A SCRAM login without a wire, and a look at what every binding exports. */
const esm = `
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
const commonJs = `
const core = require("sasl-core");
const { scramSha256 } = require("sasl-core/mechanisms");
const server = new core.SASLServer({ mechanisms: [scramSha256], accounts: core.memoryAccounts() });
console.log(\`require works: \${server.mechanisms({ secure: true }).join()}\`);
for (const name of ["sasl-lines", "sasl-imap", "sasl-smtp", "sasl-xmpp", "sasl-xmpp/node"]) require(name);
for (const name of ["file", "sql", "ldap"]) console.log(\`store: \${require(\`sasl-store-\${name}\`).saslPlugin.stores[0].schemes}\`);
for (const name of ["sasl-formats", "sasl-passwords", "sasl-throttle"]) require(name);
`;

await preparePath();
const folder = await mkdtemp(join(tmpdir(), "sasl-smoke-"));
try {
  const tarballFolder = join(folder, "packed");
  const project = join(folder, "project");
  await Promise.all([mkdir(tarballFolder), mkdir(project)]);
  const packed = await step("Packing the packages", () => packAll(tarballFolder));
  await writeFile(join(project, "package.json"), JSON.stringify({ name: "smoke", private: true, type: "module" }));
  await writeFile(join(project, "smoke.js"), esm);
  await writeFile(join(project, "smoke.cjs"), commonJs);
  const tarballs = packed.map(({ tarball }) => tarball);
  await step("Installing them with npm into an empty project", () =>
    must("npm install", "npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...tarballs], {
      cwd: project,
    }),
  );
  await must("import", process.execPath, ["smoke.js"], { cwd: project });
  await must("require", process.execPath, ["--no-warnings", "smoke.cjs"], { cwd: project });
  await must("the installed command", "npx", ["--no-install", "sasl", "mechanisms"], { cwd: project, quiet: true });
  say("The packed packages work.");
} finally {
  await rm(folder, { recursive: true, force: true });
}
