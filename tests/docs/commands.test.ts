/**
 * Every block of shell commands in the documentation is run as it stands, or listed here with the reason why not.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "vitest";
import { allBlocks, type Block, root } from "./markdown.js";
import { run } from "./run.js";

const TIME_LIMIT_MS = 20_000;

/** The first that matches counts. */
const notRun: readonly [pattern: RegExp, reason: string][] = [
  [/^npm (?:install|i) /m, "asks the registry; scripts/packaging-smoke.mjs installs the packed packages"],
  [
    /^npm (?:test|run (?:build|check|bench|test:peers|test:browser|size|requirements|format|changeset))\b/m,
    "takes long, or runs this test; .ci/run runs it",
  ],
  [/\bnpm run dev$/m, "serves a page until it is stopped; npm run test:browser uses that page"],
  [/\bexample\.(?:org|com|net)\b/, "names a server that does not exist"],
];

const blocks = allBlocks("sh", "bash", "shell", "console");
const reasonFor = ({ text }: Block): string | undefined => notRun.find(([pattern]) => pattern.test(text))?.[1];

/**
 * What stands behind `npx sasl` and the root scripts once the packages are installed and built. A server that would run
 * for ever takes any free ports and is told to stop when it is ready; it has to end well.
 */
const prelude = `
set -e
sasl() {
  [ "$1" != serve ] || { serve "$@"; return; }
  node "$PROJECT/packages/cli/bin/sasl.js" "$@"
}
serve() {
  local args=() previous="" pid
  for each in "$@"; do
    case "$previous" in --imap|--imaps|--smtp|--smtps|--xmpp|--xmpps|--ws|--wss) each=0 ;; esac
    args+=("$each") previous="$each"
  done
  node "$PROJECT/packages/cli/bin/sasl.js" "\${args[@]}" > served &
  pid=$!
  until [ -s served ] || ! kill -0 $pid 2> /dev/null; do sleep 0.1; done
  kill $pid 2> /dev/null || true
  wait $pid
}
npx() { [ "$1" = sasl ] || { echo "not expected: npx $1" >&2; return 1; }; shift; sasl "$@"; }
npm() {
  [ "$1 $2" = "run demo" ] || { echo "not expected: npm $*" >&2; return 1; }
  shift 2; [ "$1" != -- ] || shift
  node "$PROJECT/examples/demo/dist/main.js" "$@"
}
`;

describe.concurrent("bash runs", () => {
  for (const block of blocks.filter((each) => reasonFor(each) === undefined)) {
    test(`${block.file}:${block.line}`, { timeout: TIME_LIMIT_MS + 5000 }, async ({ expect }) => {
      const folder = mkdtempSync(join(tmpdir(), "sasl-docs-"));
      try {
        writeFileSync(join(folder, "users"), "alice:{PLAIN}open sesame\n", { mode: 0o600 }); // what pages call their accounts
        // The demonstration with a wrong password ends with 1, as it says.
        const text = block.text.replace(/^(npm run demo -- --wrong-password)\b.*$/gm, "$1 || [ $? -eq 1 ]");
        const env = { ...process.env, PROJECT: root, NO_COLOR: "1" };
        const { exitCode, stderr } = await run("bash", ["-c", prelude + text], { cwd: folder, env }, TIME_LIMIT_MS);
        expect({ exitCode, stderr: exitCode === 0 ? "" : stderr }).toEqual({ exitCode: 0, stderr: "" });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }
});
