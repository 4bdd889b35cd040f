/** What the flag of a GS2 header says about channel binding, at both ends: SCRAM's and GS2's. Source: RFC 5801 §5; RFC 5802 §6. */
import type { ClientContext, ServerContext } from "../mechanism.js";
import { commonTypes } from "./common-types.js";
import type { Gs2Header } from "./gs2.js";

/** What an exchange is bound to. */
export interface Binding {
  readonly type: string;
  readonly data: Uint8Array;
}

/**
 * RFC 5802 §6: `y` only when this side can bind and the server, asked for its list, did not offer the mechanism with -PLUS.
 * Another one with -PLUS is no excuse for `n`: whoever took ours out of the list could have put it there.
 */
export function unboundFlag(ctx: ClientContext): "n" | "y" {
  const { channelBinding, offered } = ctx.settings;
  const plusWithheld = offered?.includes(`${ctx.mechanism.name}-PLUS`) === false;
  return channelBinding?.types.length && plusWithheld ? "y" : "n";
}

/** The strongest common type and its data; having none is an error and never a silent `n`. */
export async function chooseBinding(ctx: ClientContext): Promise<Binding> {
  const { channelBinding, serverBindingTypes } = ctx.settings;
  const types = commonTypes(channelBinding, serverBindingTypes);
  const type = types.find((each) => each !== "tls-server-end-point") ?? types[0]; // R-CBT-04, whatever the given order
  const data = type === undefined ? undefined : await channelBinding?.data(type);
  if (type === undefined || !data?.length)
    throw ctx.fail("channel-not-protected", "there is nothing to bind this channel to");
  ctx.bound(type);
  return { type, data };
}

/** RFC 5802 §6: the flag must fit the mechanism, what was offered, and what this connection has. */
export async function checkBinding(
  ctx: ServerContext,
  header: Gs2Header,
  plus: boolean,
): Promise<Uint8Array | undefined> {
  if (plus !== (header.flag === "p"))
    throw ctx.fail("malformed-message", "the binding flag does not fit the mechanism"); // R-CB-04
  if (header.flag === "y" && ctx.offered.some((name) => name.endsWith("-PLUS"))) {
    throw ctx.fail("refused", "the client was led to believe that no -PLUS is offered"); // R-CB-02
  }
  if (header.type === undefined) return undefined;
  const known = ctx.channelBinding?.types.includes(header.type);
  const data = known ? await ctx.channelBinding?.data(header.type) : undefined;
  if (!data?.length) throw ctx.fail("refused", "a binding type this connection lacks"); // R-CB-03, R-CB-09
  ctx.bound(header.type);
  return data;
}
