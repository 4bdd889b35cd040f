/**
 * Chromium: the one that is installed, or else Debian's.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

/** Where it may be; `CHROMIUM` says otherwise. */
const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Starts it, without a window. @throws when there is none and none can be installed. */
export async function startChromium(): Promise<Browser> {
  const executablePath = find() ?? install();
  const isRoot = process.getuid?.() === 0;
  return chromium.launch({ executablePath, args: isRoot ? ["--no-sandbox"] : [] });
}

function find(): string | undefined {
  return [process.env.CHROMIUM ?? "", ...places].find((path) => path !== "" && existsSync(path));
}

function install(): string {
  if (!existsSync("/usr/bin/apt-get") || process.getuid?.() !== 0) {
    throw new Error("there is no Chromium; install it, or say in CHROMIUM where it is");
  }
  console.log("installing chromium");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...args: string[]) => {
    execFileSync("apt-get", ["-q", "-o", "DPkg::Lock::Timeout=300", ...args], { env, stdio: "ignore" });
  };
  const add = () => apt("install", "-y", "--no-install-recommends", "chromium");
  try {
    add();
  } catch {
    apt("update");
    add();
  }
  const path = find();
  if (path === undefined) throw new Error("chromium was installed, and is not there");
  return path;
}
