/** OAUTHBEARER, XOAUTH2, X-OAUTH2 and OAUTH10A. */
import { decodeUtf8 } from "../../src/internal/text.js";
import { hmacSha1Verifier, oauth10aServer } from "../../src/mechanisms/index.js";
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

/** What a signature covers of the message itself. */
const signedPart = (message: Uint8Array | undefined): string => {
  const [, parameters] = /\u0001auth=oauth +([^\u0001]+)\u0001/i.exec(textOf(message)) ?? [];
  return (parameters ?? "").replaceAll(" ", "").replaceAll(/%../g, (code) => code.toUpperCase());
};
const signed = {
  username: user.username,
  consumerKey: "key",
  consumerSecret: "of-key",
  token: "t",
  tokenSecret: "of-t",
};
const verify = hmacSha1Verifier({
  secrets: (key, of) =>
    key === signed.consumerKey && of === signed.token ? { ...signed, subject: user.username } : undefined,
  useOnce: () => true, // the suite plays with the same chance again
});

export const subjects: Subjects = {
  OAUTHBEARER: { ...token, harmless: sameToken },
  XOAUTH2: { ...token, harmless: sameToken },
  "X-OAUTH2": token,
  OAUTH10A: {
    ...token,
    configured: oauth10aServer({ verify }),
    credentials: signed as object,
    wrong: { ...signed, tokenSecret: "another" } as object,
    secrets: [signed.tokenSecret, signed.consumerSecret],
    // What is not signed decides nothing, and nonces are not remembered here.
    harmless: ({ payload, received, corruption }) =>
      corruption === "replay" || signedPart(received) === signedPart(payload),
  },
};
