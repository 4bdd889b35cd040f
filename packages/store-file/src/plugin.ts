/**
 * The store as a plug-in: accounts by `file:PATH`.
 */
import { fileURLToPath } from "node:url";
import type { Plugin } from "sasl-core/plugin";
import { fileAccounts } from "./file-accounts.js";

/**
 * The path a URL names. What follows `file:` is the path as it stands, relative or absolute; `file://` begins a URL
 * (RFC 8089), whose path is absolute and percent-decoded.
 *
 * @throws {TypeError} for another scheme, another host, a query or a fragment.
 */
export function pathOfFileUrl(url: string): string {
  const [, text = ""] = /^file:(.+)$/is.exec(url) ?? [];
  const path = text.startsWith("//") ? absolutePath(url) : text;
  if (path === "" || path.includes("\0")) throw new TypeError("accounts in a file are named file:PATH");
  return path;
}

function absolutePath(url: string): string {
  const { search, hash } = new URL(url);
  if (search !== "" || hash !== "") throw new TypeError("a file: URL has no query and no fragment");
  return fileURLToPath(url);
}

/** For `loadPlugins`: `file:users`, `file:/etc/dovecot/users`, `file:///etc/dovecot/users`. The file has to be there. */
export const saslPlugin: Plugin = {
  apiVersion: 1,
  stores: [{ name: "file", schemes: ["file"], open: (url: string) => fileAccounts(pathOfFileUrl(url)) }],
};
