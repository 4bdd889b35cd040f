/**
 * Programs of the system, installed by apt where they are missing and that is possible.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

export const isRoot: boolean = process.getuid?.() === 0;

/** Installs a Debian package; says that it does. @returns whether that was possible. */
export function install(name: string): boolean {
  if (!existsSync("/usr/bin/apt-get") || !isRoot) return false;
  console.log(`installing ${name}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...args: string[]) => {
    execFileSync("apt-get", ["-q", "-o", "DPkg::Lock::Timeout=300", ...args], { env, stdio: "ignore" });
  };
  const add = () => apt("install", "-y", "--no-install-recommends", name);
  try {
    add();
  } catch {
    try {
      apt("update");
      add();
    } catch {
      return false;
    }
  }
  return true;
}
