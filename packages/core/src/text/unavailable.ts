/**
 * What happens when a browser cannot load the rules of preparation: the network is gone, or the file is.
 *
 * @module
 */
import { SASLFailure } from "../errors.js";

/**
 * The second argument of `import(…).then()`.
 *
 * @throws {SASLFailure} `temporary`, always: the credentials stay good.
 */
export function rulesUnavailable(cause: unknown): never {
  throw new SASLFailure("temporary", "text preparation is not available", { cause });
}
