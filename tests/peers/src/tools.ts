/**
 * The client programs: which are here, and their installation by apt where that is possible.
 *
 * @module
 */
import { existsSync } from "node:fs";
import type { Children } from "./children.js";
import { cyrusFolder } from "./clients/cyrus.js";
import { debianPython } from "./clients/slixmpp.js";
import type { Report } from "./report.js";

/** A client program of the harness. */
export type Tool = "gsasl" | "curl" | "swaks" | "cyrus" | "slixmpp" | "openssl";

interface Source {
  readonly packages: readonly string[];
  /** A command that succeeds when the program is there. */
  readonly probe: readonly [command: string, ...args: string[]];
}

const sources: Readonly<Record<Tool, Source>> = {
  gsasl: { packages: ["gsasl"], probe: ["gsasl", "--version"] },
  curl: { packages: ["curl"], probe: ["curl", "--version"] },
  swaks: { packages: ["swaks", "libnet-ssleay-perl"], probe: ["swaks", "--version"] },
  cyrus: {
    packages: ["cyrus-clients", "libsasl2-modules", "coreutils"],
    probe: ["test", "-x", `${cyrusFolder}/smtptest`],
  },
  slixmpp: { packages: ["python3-slixmpp"], probe: [debianPython, "-c", "import slixmpp"] },
  openssl: { packages: ["openssl"], probe: ["openssl", "version"] },
};

/** Find every tool, install what is missing, report what stays missing. @returns the tools there are. */
export async function findTools(children: Children, install: boolean, report: Report): Promise<Set<Tool>> {
  const wanted = Object.keys(sources) as Tool[];
  const here = async (tool: Tool): Promise<boolean> => {
    const [command, ...args] = sources[tool].probe;
    return (await children.run(command, args)).exit === 0;
  };
  const found = new Set<Tool>();
  for (const tool of wanted) if (await here(tool)) found.add(tool);
  const absent = wanted.filter((tool) => !found.has(tool));
  if (absent.length === 0) return found;
  const packages = absent.flatMap((tool) => sources[tool].packages);
  const why = install ? await aptInstall(children, packages, report) : "not installed here";
  for (const tool of absent) {
    if (await here(tool)) found.add(tool);
    else report.missing(tool, why ?? `not there after the installation of ${sources[tool].packages.join(" ")}`);
  }
  return found;
}

/** @returns why nothing was installed, or nothing. */
async function aptInstall(
  children: Children,
  packages: readonly string[],
  report: Report,
): Promise<string | undefined> {
  if (!existsSync("/usr/bin/apt-get")) return "not installed, and there is no apt here";
  if (process.getuid?.() !== 0) return `not installed; as root: apt-get install ${packages.join(" ")}`;
  report.note(`installing ${packages.join(" ")}`);
  const apt = (...args: string[]): ReturnType<Children["run"]> =>
    children.run("apt-get", ["-q", "-o", "DPkg::Lock::Timeout=300", ...args], {
      env: { DEBIAN_FRONTEND: "noninteractive" },
      timeoutMs: 300_000,
    });
  const install = (): ReturnType<Children["run"]> => apt("install", "-y", "--no-install-recommends", ...packages);
  let result = await install();
  if (result.exit !== 0) {
    await apt("update");
    result = await install();
  }
  if (result.exit === 0) return undefined;
  return `apt-get failed: ${result.stderr.trim().split("\n").at(-1)}`;
}
