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

/** Both programs do the same: a SCRAM login without a wire, and a look at what every package exports. */
const esm = `
import { SCRAM, authenticate } from "sasl-core";
import * as imap from "sasl-imap";
import * as smtp from "sasl-smtp";
import * as xmpp from "sasl-xmpp";
for (const [name, binding] of Object.entries({ imap, smtp, xmpp })) {
  for (const part of ["SASLClient", "serve", "parseFailure", "formatFailure", "authenticate"]) {
    if (typeof binding[part] !== "function") throw new Error(\`sasl-\${name} has no \${part}\`);
  }
}
if (typeof SCRAM !== "function" || typeof authenticate !== "function") throw new Error("sasl-core is incomplete");
console.log("import works");
`;
const commonJs = `
const core = require("sasl-core");
const mechanisms = require("sasl-core/mechanisms");
const xmpp = require("sasl-xmpp");
if (typeof core.authenticate !== "function" || typeof xmpp.SASLClient !== "function") throw new Error("require is incomplete");
if (Object.keys(mechanisms).length === 0) throw new Error("sasl-core/mechanisms is empty");
console.log("require works");
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
