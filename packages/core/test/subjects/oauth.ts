/** OAUTHBEARER and XOAUTH2. */
import { decodeUtf8 } from "../../src/internal/text.js";
import type { Corruption, MechanismCheckOptions } from "../../src/testing.js";
import { acceptToken, user } from "../support.js";
import { accounts, type Subjects } from "./shared.js";

const token: MechanismCheckOptions = {
  credentials: user,
  wrong: { username: user.username, token: "another.token00" },
  server: { accounts, tokens: acceptToken, host: "imap.example.com", port: 143 },
};

/** Fields whose names nobody knows and the case of the scheme decide nothing; the token does. */
const sameToken = ({ received }: Corruption): boolean => {
  const text = textOf(received);
  return /\u0001auth=bearer +/i.test(text) && text.includes(`${user.token}\u0001`);
};

function textOf(bytes: Uint8Array | undefined): string {
  try {
    return decodeUtf8(bytes ?? new Uint8Array(0));
  } catch {
    return "";
  }
}

export const subjects: Subjects = {
  OAUTHBEARER: { ...token, harmless: sameToken },
  XOAUTH2: { ...token, harmless: sameToken },
};
