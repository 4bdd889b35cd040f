/** A refusal that came as a challenge, because a failure carries no data (RFC 4422 §3.6). */
import { isSASLError, type SASLError } from "../errors.js";
import type { ClientContext, ClientConversation } from "../mechanism.js";

/** Acknowledges it once and fails, whatever the server then says, success too. */
export async function* afterRefusal(
  ctx: ClientContext,
  acknowledgement: Uint8Array,
  refused: SASLError,
): ClientConversation {
  try {
    yield ctx.final(acknowledgement);
  } catch (cause) {
    // A server that cannot say now is another matter than one that said no.
    if (isSASLError(cause) && cause.code !== "refused") throw cause;
  }
  throw refused;
}
