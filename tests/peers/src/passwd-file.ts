/**
 * The store of `sasl serve`: a passwd-file in Dovecot's style, with SCRAM entries made by other people's programs.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { accounts } from "./accounts.js";
import type { Children } from "./children.js";

/** Accounts with a SCRAM verifier alone; the password of each is that of `user`. */
export const verifierAccounts = [
  { name: "verifier1", scheme: "SCRAM-SHA-1" },
  { name: "verifier256", scheme: "SCRAM-SHA-256" },
] as const;

/** The password of the accounts with a verifier alone. */
export const verifierPassword = "pencil";

/** Write the store. @returns the names of the verifier accounts in it: those a program could make. */
export async function writePasswdFile(children: Children, file: string): Promise<Set<string>> {
  const lines = accounts.map(({ name, stored }) => `${name}:{PLAIN}${stored}`);
  const made = new Set<string>();
  for (const { name, scheme } of verifierAccounts) {
    const secret = await verifier(children, scheme);
    if (secret === undefined) continue;
    lines.push(`${name}:${secret}`);
    made.add(name);
  }
  writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
  return made;
}

/** `{SCHEME}iterations,salt,StoredKey,ServerKey`, by doveadm or else by gsasl. */
async function verifier(children: Children, scheme: string): Promise<string | undefined> {
  const commands: [command: string, ...args: string[]][] = [
    ["doveadm", "-O", "pw", "-s", scheme, "-p", verifierPassword],
    [
      "gsasl",
      "--mkpasswd",
      "--quiet",
      `--mechanism=${scheme}`,
      "--iteration-count=4096",
      `--password=${verifierPassword}`,
    ],
  ];
  for (const [command, ...args] of commands) {
    const { exit, stdout } = await children.run(command, args);
    const line = stdout.trim();
    if (exit === 0 && line.startsWith(`{${scheme}}`)) return line;
  }
  return undefined;
}
