/** OTP. */
import type { AccountStore } from "../../src/accounts.js";
import { decodeUtf8 } from "../../src/internal/text.js";
import { makeOtp } from "../../src/mechanisms/index.js";
import { parseChallenge, parseResponse } from "../../src/mechanisms/otp/messages.js";
import { storedSequence } from "../../src/mechanisms/otp/sequence.js";
import { memoryAccounts } from "../../src/memory-accounts.js";
import type { Corruption } from "../../src/testing.js";
import { user } from "../support.js";
import type { Subjects } from "./shared.js";

const passphrase = user.password;
const fresh = await makeOtp(passphrase, { sequence: 160, seed: "ke123456" });

/** A sequence without end: where it runs out it begins again, which no server may do. */
function endless(): AccountStore {
  const accounts = memoryAccounts({ [user.username]: { otpSequence: fresh } });
  return {
    store: accounts.store,
    lookup(name, requests) {
      const sequence = storedSequence(
        (accounts.lookup(name, requests) as { otpSequence?: unknown } | undefined)?.otpSequence,
      );
      if (sequence && sequence.sequence < 110) accounts.store(name, { otpSequence: fresh });
      return accounts.lookup(name, requests);
    },
  };
}

/** Another case, or more white space, says the same. */
function sameMeaning({ from, payload, received }: Corruption): boolean {
  const read = from === "server" ? parseChallenge : parseResponse;
  const meaning = (bytes: Uint8Array | undefined) => JSON.stringify(read(decodeUtf8(bytes ?? new Uint8Array(0))));
  try {
    return meaning(payload) === meaning(received);
  } catch {
    return false;
  }
}

export const subjects: Subjects = {
  OTP: {
    credentials: { username: user.username, passphrase } as object,
    wrong: { username: user.username, passphrase: "something else" } as object,
    server: { accounts: endless() },
    secrets: [passphrase, "something else"],
    exclusive: true,
    harmless: sameMeaning,
  },
};
