/**
 * Chromium: the one that is installed, or else Debian's.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";
import { install, isRoot } from "./tools.js";

/** Where it may be; `CHROMIUM` says otherwise. */
const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Starts it, without a window. @throws when there is none and none can be installed. */
export async function startChromium(): Promise<Browser> {
  const executablePath = find() ?? (install("chromium") ? find() : undefined);
  if (executablePath === undefined) throw new Error("there is no Chromium; install it, or say in CHROMIUM where it is");
  return chromium.launch({ executablePath, args: isRoot ? ["--no-sandbox"] : [] });
}

function find(): string | undefined {
  return [process.env.CHROMIUM ?? "", ...places].find((path) => path !== "" && existsSync(path));
}
