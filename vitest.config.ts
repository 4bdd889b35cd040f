import { fileURLToPath } from "node:url";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

const root = fileURLToPath(new URL(".", import.meta.url));

/** `sasl-source` makes each package's `exports` and `imports` point at its sources, so no test waits for a build. */
const conditions = ["sasl-source", "module", "node", "development|production"];

interface ProjectOptions {
  readonly include: string[];
  readonly exclude?: string[];
  readonly alias?: Record<string, string>;
  readonly dir?: string;
}

function project(
  name: string,
  { include, exclude = [], alias = {}, dir = "." }: ProjectOptions,
): TestProjectInlineConfiguration {
  return {
    root: `${root}${dir}`,
    resolve: { conditions, alias },
    ssr: { resolve: { conditions } },
    // No module here keeps state, so that files can share a process; that halves the time.
    test: {
      name,
      isolate: false,
      testTimeout: 30_000,
      include,
      exclude: ["**/node_modules/**", "**/dist/**", ...exclude],
    },
  };
}

function packageProject(name: string): TestProjectInlineConfiguration {
  return project(name, { dir: `packages/${name}`, include: ["src/**/*.test.ts", "test/**/*.test.ts"] });
}

export default defineConfig({
  test: {
    passWithNoTests: true,
    projects: [
      packageProject("core"),
      // The same tests on what a browser loads: WebCrypto in place of node:crypto.
      project("core-web", {
        dir: "packages/core",
        include: ["src/**/*.test.ts", "test/**/*.test.ts"],
        exclude: ["**/*.node.test.ts", "src/node/**"],
        alias: {
          "#runtime": `${root}packages/core/src/runtime/web.ts`,
          "#soft-digests": `${root}packages/core/src/runtime/soft-digests-web.ts`,
          "#soft-ciphers": `${root}packages/core/src/runtime/soft-ciphers-web.ts`,
        },
      }),
      packageProject("gssapi"),
      packageProject("formats"),
      packageProject("passwords"),
      packageProject("throttle"),
      packageProject("store-file"),
      packageProject("store-sql"),
      packageProject("store-ldap"),
      packageProject("lines"),
      packageProject("imap"),
      packageProject("smtp"),
      packageProject("xmpp"),
      packageProject("nodemailer"),
      packageProject("smtp-server"),
      packageProject("xmpp-js"),
      packageProject("imapflow"),
      packageProject("strophe"),
      packageProject("stanza"),
      packageProject("kafkajs"),
      packageProject("ldapts"),
      packageProject("cli"),
      project("examples", { dir: "examples", include: ["*/src/**/*.test.ts"] }),
      project("peers", { dir: "tests/peers", include: ["src/**/*.test.ts"] }),
      project("repo", { include: ["scripts/**/*.test.ts", "tests/{docs,peers/src}/**/*.test.ts"] }),
    ],
  },
});
