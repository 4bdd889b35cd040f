/** DIGEST-MD5, without a layer. */
import { parseChallenge, parseResponse, parseVerdict } from "../../src/mechanisms/digest-md5/messages.js";
import type { Corruption, MechanismCheckOptions } from "../../src/testing.js";
import { user } from "../support.js";
import { accounts, type Subjects, wrongPassword } from "./shared.js";

export const digestMd5Subject: MechanismCheckOptions = {
  credentials: user,
  wrong: wrongPassword,
  server: { accounts, service: "imap", host: "elwood.innosoft.com" },
  client: { service: "imap" },
  harmless: sameValues,
};

/**
 * Half of a challenge and a few directives of a response are part of no digest, unknown directives are passed over, and
 * there is more than one way to write the same.
 */
function sameValues({ from, index, payload, received }: Corruption): boolean {
  if (payload === undefined || received === undefined) return false;
  try {
    if (from === "server" && index > 0) return parseVerdict(payload) === parseVerdict(received);
    if (from === "server") {
      const [before, after] = [parseChallenge(payload), parseChallenge(received)];
      return after.nonce === before.nonce && after.realms[0] === before.realms[0] && after.qop.includes("auth");
    }
    const [before, after] = [parseResponse(payload), parseResponse(received)];
    const { maxbuf: _, utf8: __, cipher: ___, ...hashed } = after;
    return Object.entries(hashed).every(([name, value]) => before[name as keyof typeof before] === value);
  } catch {
    return false;
  }
}

export const subjects: Subjects = { "DIGEST-MD5": digestMd5Subject };
