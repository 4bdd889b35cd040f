/**
 * Every client at `sasl serve`.
 *
 * @module
 */
import { join } from "node:path";
import { bindingAttempts } from "./attempts/binding-types.js";
import { boundAttempts, boundMechanisms, unboundAttempts, unboundMechanisms } from "./attempts/serve.js";
import { sessionAttempts } from "./attempts/sessions.js";
import { makeTokens, tokenIssuer } from "./jwt.js";
import { writePasswdFile } from "./passwd-file.js";
import type { Run } from "./run.js";
import { Serve } from "./serve.js";
import { makeCertificates } from "./tls-files.js";
import type { Tool } from "./tools.js";
import type { Attempt, Certificate, Client } from "./types.js";

/** Start servers and run all attempts at them. @param command file of the `sasl` command */
export async function serverSide(
  run: Run,
  command: string,
  clients: readonly Client[],
  tools: ReadonlySet<Tool>,
): Promise<void> {
  const { children, scratch } = run;
  const store = join(scratch, "users");
  const secret = join(scratch, "tokens.secret");
  const verifiers = await writePasswdFile(children, store);
  const tokens = makeTokens(secret);
  const certificates = new Map<string, Certificate>();
  const common = ["--store", `file:${store}`, "--jwt-key", secret, "--jwt-issuer", tokenIssuer];
  const trust: string[] = [];
  if (tools.has("openssl")) {
    const tls = join(scratch, "serve-tls");
    await makeCertificates(children, tls);
    certificates.set("alice", { cert: join(tls, "client-alice.pem"), key: join(tls, "client-alice.key") });
    trust.push("--client-ca", join(tls, "ca.pem"));
  }
  const offer = (mechanisms: readonly string[]): string[] => ["--mechanisms", mechanisms.join(",")];
  const bound = await Serve.start(children, "serve", command, [...common, ...trust, ...offer(boundMechanisms)]);
  const open = [...common, "--allow-plaintext", ...offer(unboundMechanisms)];
  const unbound = await Serve.start(children, "serve-unbound", command, open);
  const facts = { certificates, verifiers, tokens };
  await run.attempts([
    ...boundAttempts({ ...facts, serve: bound }, clients),
    ...bindingAttempts(bound.endpoint("xmpp", "starttls")),
    ...sessionAttempts(bound, children, tools, ["PLAIN", "CRAM-MD5"]),
    ...unboundAttempts({ ...facts, serve: unbound }, clients),
  ]);
  await run.attempts([ending("SIGTERM", bound), ending("SIGINT", unbound)]);
}

/** The command ends by itself, and in order, when told to. */
export function ending(signal: "SIGTERM" | "SIGINT", serve: Serve): Attempt {
  return {
    name: `${serve.name} ends with exit 0 on ${signal}`,
    async run() {
      const exit = await serve.stop(signal);
      return exit === 0 ? { passed: true } : { passed: false, why: `ended with ${exit}` };
    },
  };
}
