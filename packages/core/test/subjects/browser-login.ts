/** SAML20 and OPENID20, with a provider and a browser that are played here. */
import type { BrowserLogin, Redirect } from "../../src/internal/browser-login.js";
import { openid20Server, saml20Server } from "../../src/mechanisms/index.js";
import { memoryAccounts } from "../../src/memory-accounts.js";
import { user } from "../support.js";
import type { Subjects } from "./shared.js";

const page = "https://login.example/?login=";
const issuer = "https://login.example/";

/** Who logged in at the provider, by the ID of the login, as long as that goes on. */
const users = new Map<string, string | undefined>();
const browserOf =
  (username: string | undefined): Redirect =>
  (url) => {
    const id = url.startsWith(page) ? url.slice(page.length) : "";
    if (users.has(id)) users.set(id, username);
  };
const begun = ({ id, signal }: BrowserLogin): string => {
  users.set(id, undefined);
  signal.addEventListener("abort", () => users.delete(id));
  return `${page}${id}`;
};

const server = { accounts: memoryAccounts({ [user.username]: {} }) };
const shared = { server, identity: user.username };

const saml20 = saml20Server({
  audience: "https://mail.example/",
  destination: "https://mail.example/saml",
  begin: (login) => (login.identityProvider === "login.example" ? { url: begun(login), issuer } : undefined),
  outcome({ id }) {
    const subject = users.get(id);
    return subject === undefined
      ? undefined
      : {
          id: `of ${id}`,
          issuer,
          inResponseTo: id,
          audiences: ["https://mail.example/"],
          destination: "https://mail.example/saml",
          notOnOrAfter: new Date(Date.now() + 60_000),
          subject,
        };
  },
  useOnce: () => true, // the suite plays with the same chance again
});

const identifier = "https://login.example/tim";
const returnTo = (id: string) => `https://mail.example/openid/${id}`;
const openid20 = openid20Server({
  begin: (login) =>
    login.identifier === identifier ? { url: begun(login), returnTo: returnTo(login.id), provider: issuer } : undefined,
  outcome({ id }) {
    const subject = users.get(id);
    if (subject === undefined) return { ok: false, error: "nobody logged in" };
    const responseNonce = `${new Date().toISOString().slice(0, 19)}Z${id}`;
    return { ok: true, identifier, provider: issuer, returnTo: returnTo(id), responseNonce, subject };
  },
  useOnce: () => true, // the suite plays with the same chance again
});

export const subjects: Subjects = {
  SAML20: {
    ...shared,
    configured: saml20,
    credentials: { identityProvider: "login.example", redirect: browserOf(user.username) } as object,
    wrong: { identityProvider: "login.example", redirect: browserOf(undefined) } as object,
  },
  OPENID20: {
    ...shared,
    configured: openid20,
    credentials: { identifier, redirect: browserOf(user.username) } as object,
    wrong: { identifier, redirect: browserOf(undefined) } as object,
  },
};
