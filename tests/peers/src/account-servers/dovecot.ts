/**
 * A Dovecot of the run's own that takes its accounts from a passwd-file of ours.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Children } from "../children.js";
import { Daemon, freePort, listens } from "../daemon.js";
import type { Endpoint } from "../types.js";

/** What it is made of. */
export interface DovecotOptions {
  /** Folder of the run, which other users can enter; everything is below `name` in it. */
  readonly folder: string;
  /** Name for the report. */
  readonly name: string;
  /** Folder of `server.pem`, `server.key` and `ca.pem`. */
  readonly tls: string;
  /** Read at each login when it has changed; only root needs to be able to. */
  readonly passwdFile: string;
}

/** Start it. @returns where its IMAP is. @throws {Error} when it does not start. */
export async function startDovecot(children: Children, options: DovecotOptions): Promise<Endpoint> {
  const { folder, name, tls } = options;
  const home = join(folder, name);
  mkdirSync(join(home, "mail"), { recursive: true, mode: 0o777 });
  await children.run("chmod", ["777", join(home, "mail")]);
  const port = await freePort();
  const config = join(home, "dovecot.conf");
  writeFileSync(config, configuration(home, port, options));
  const daemon = new Daemon(children, {
    command: "/usr/sbin/dovecot",
    args: ["-F", "-c", config],
    ready: () => listens(port),
  });
  await daemon.start();
  const ca = join(tls, "ca.pem");
  const domain = "localhost";
  return { server: name, protocol: "imap", channel: "starttls", host: "localhost", port, ca, domain, plus: "none" };
}

function configuration(home: string, port: number, { tls, passwdFile }: DovecotOptions): string {
  return `base_dir = ${home}/run
state_dir = ${home}/state
log_path = ${home}/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <${tls}/server.pem
ssl_key = <${tls}/server.key
auth_mechanisms = plain login scram-sha-1 scram-sha-256
auth_username_chars =
auth_failure_delay = 0
auth_cache_size = 0
first_valid_uid = 1
mail_location = maildir:~/Maildir
passdb {
  driver = passwd-file
  args = username_format=%u ${passwdFile}
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=${home}/mail/%n
}
service auth {
  user = root
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  chroot =
  inet_listener imap {
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
`;
}
