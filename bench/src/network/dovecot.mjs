/**
 * Dovecot in two set-ups, both without debug log and with stored SCRAM keys: `shipped` starts a login process and a mail
 * process for every connection, as the package does when nothing is said; `tuned` uses both again, as its manual
 * recommends for busy servers.
 *
 * @module
 */

/** @typedef {"shipped" | "tuned"} Setup */

/** What `tuned` adds. The one login process also makes the memory of a connection visible. */
const tuning = `auth_cache_size = 1M
service imap-login {
  service_count = 0
  process_limit = 1
  process_min_avail = 1
  client_limit = 8000
}
service imap {
  service_count = 1000
  process_limit = 256
  process_min_avail = 4
}
`;

/** @param {string} directory its state @param {number} port IMAP @param {Setup} setup */
export function dovecotConfiguration(directory, port, setup) {
  return `base_dir = ${directory}/run
state_dir = ${directory}/lib
log_path = ${directory}/log
instance_name = sasl-bench
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain scram-sha-256
auth_failure_delay = 0
first_valid_uid = 1
mail_max_userip_connections = 1000
mail_location = maildir:~/Maildir
default_client_limit = 8000
default_vsz_limit = 1G
passdb {
  driver = passwd-file
  args = username_format=%n ${directory}/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=${directory}/mail/%Ln
}
service anvil {
  chroot =
  client_limit = 10000
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service auth {
  client_limit = 10000
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
${setup === "tuned" ? tuning : ""}`;
}
