import type { ChannelBinding, ChannelBindingType } from "../channel-binding.js";

/** Binding types both sides can do, strongest first; the server's list counts only where it sent one (XEP-0440). */
export function commonTypes(
  local: ChannelBinding | undefined,
  announced: readonly string[] | undefined,
): readonly ChannelBindingType[] {
  const types = local?.types ?? [];
  return announced ? types.filter((type) => announced.includes(type)) : types;
}
