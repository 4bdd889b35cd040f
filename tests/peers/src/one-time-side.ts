/**
 * One-time passwords and passcodes: OTP against Cyrus SASL, SECURID against GNU SASL, both in both directions. Each login
 * changes what the next one needs, so that they run one after the other.
 *
 * @module
 */

import { passwordOf, wrongPassword } from "./accounts.js";
import { at, attemptOf } from "./attempts/attempt.js";
import { sampleServerAttempts, servedOtpAttempts } from "./one-time/cyrus-otp.js";
import { securidAttempts } from "./one-time/gsasl-securid.js";
import type { Run } from "./run.js";
import { ending } from "./server-side.js";
import { endpointOf, type Server } from "./servers.js";
import type { Tool } from "./tools.js";
import type { Attempt, Client, Expectation } from "./types.js";

/** Run all of them. @param command file of the `sasl` command @param ours `sasl login` */
export async function oneTimeSide(
  run: Run,
  command: string,
  servers: readonly Server[],
  ours: Client,
  tools: ReadonlySet<Tool>,
): Promise<void> {
  const { children, scratch } = run;
  await run.attempts(
    servers.filter(({ kind }) => kind === "postfix").flatMap((server) => postfixAttempts(server, ours)),
    1,
  );
  if (tools.has("cyrus-otp")) await run.attempts(await sampleServerAttempts(children, scratch), 1);
  if (tools.has("cyrus-otp") && tools.has("cyrus")) {
    const { serve, attempts } = await servedOtpAttempts(children, command, scratch, ours);
    await run.attempts([...attempts, ending("SIGTERM", serve)], 1);
  }
  if (tools.has("gsasl") && tools.has("slixmpp")) await run.attempts(securidAttempts(children)); // both need Python
}

/** `sasl login` at Postfix with Cyrus SASL behind it. */
function postfixAttempts(server: Server, ours: Client): Attempt[] {
  const tls = endpointOf(server, "submission", "smtp", "starttls");
  const clear = endpointOf(server, "submission", "smtp", "none");
  const alice = { mechanism: "OTP", user: "alice", password: passwordOf("alice") };
  const accepted: Expectation = { outcome: "accepted" };
  const refused: Expectation = { outcome: "refused" };
  const ids = ["R-OTP-02", "R-OTP-06"];
  return [
    ...at(tls, alice, accepted, { ids }),
    ...at(tls, { ...alice, password: wrongPassword }, refused, { note: "wrong pass phrase", ids }),
    ...at(tls, alice, accepted, { note: "the next one", ids }),
    ...at(clear, alice, accepted, { note: "no TLS", ids }),
    ...at(tls, { ...alice, user: "nobody" }, refused, { note: "unknown user", ids }),
    ...at(
      tls,
      { ...alice, user: "user", password: passwordOf("user") },
      { outcome: "impossible", code: "no-credentials" },
      {
        note: "six characters are no pass phrase",
        ids: ["R-OTP-06"],
      },
    ),
  ].map((row) => attemptOf(row, ours));
}
