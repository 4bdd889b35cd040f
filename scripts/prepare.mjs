/**
 * Runs after an install by hand (`pnpm install`) and builds, so that `npx sasl` works right after it.
 * A source that does not compile must not make the install fail.
 *
 * @module
 */
import { build } from "./lib/install.mjs";
import { StepFailed, say } from "./lib/run.mjs";

// The root scripts build by themselves.
if (process.env.SASL_BOOTSTRAP === undefined) {
  try {
    await build();
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    say("The packages are installed and could not be built; `npm run build` tries again.");
  }
}
