/** HT with every hash and every binding. */
import { channelBinding } from "../../src/channel-binding.js";
import { encodeUtf8 } from "../../src/internal/text.js";
import * as exported from "../../src/mechanisms/index.js";
import { memoryAccounts } from "../../src/memory-accounts.js";
import { isMechanism } from "../../src/read-plugins.js";
import type { MechanismCheckOptions } from "../../src/testing.js";
import { user } from "../support.js";
import type { Subjects } from "./shared.js";

const names = (Object.values(exported) as unknown[])
  .filter(isMechanism)
  .map(({ name }) => name)
  .filter((name) => name.startsWith("HT-"));

const token = "secret-token-of-tim";
const record = (mechanism: string) => ({ id: mechanism, mechanism, client: "phone", expires: 2 ** 52, token });
const accounts = memoryAccounts({ [user.username]: { hashedTokens: names.map(record) } });
const types = ["tls-exporter", "tls-unique", "tls-server-end-point"];

const ht: MechanismCheckOptions = {
  credentials: { username: user.username, token },
  wrong: { username: user.username, token: "secret-token-of-tom" },
  server: { accounts },
  connection: { channelBinding: channelBinding(Object.fromEntries(types.map((type) => [type, encodeUtf8(type)]))) },
  rounds: 1,
};

export const subjects: Subjects = Object.fromEntries(names.map((name) => [name, ht]));
