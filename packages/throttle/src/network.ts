/**
 * What one attacker can be expected to have: a whole IPv4 address, the first 48 bits of an IPv6 one (RFC 6177 §2 has a
 * site get up to that much).
 *
 * @module
 */
import { isIPv4 } from "node:net";

/**
 * The network of a peer, for counting. Ports and zones do not count, and an IPv4 address is the same however it is
 * written inside IPv6 (RFC 4291 §2.5.5.2).
 *
 * @param remote an address, with or without brackets and port. What is no address is a network of its own.
 * @returns an IPv4 address, three groups of hexadecimal digits with colons between them, or `remote` as it is.
 */
export function networkOf(remote: string): string {
  const address = remote.replace(/^\[([^\]]*)\](?::\d+)?$/, "$1").replace(/^([\d.]+):\d+$/, "$1");
  if (isIPv4(address)) return address;
  const groups = groupsOf(address.replace(/%.*$/s, ""));
  if (groups === undefined) return remote;
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return groups
      .slice(6)
      .flatMap((group) => [group >> 8, group & 255])
      .join(".");
  }
  return groups
    .slice(0, 3)
    .map((group) => group.toString(16))
    .join(":");
}

/** The eight numbers of an IPv6 address; the URL parser knows all its forms. */
function groupsOf(address: string): number[] | undefined {
  if (!/^[\da-f:.]{2,45}$/i.test(address)) return undefined;
  const url = `http://[${address}]/`;
  if (!URL.canParse(url)) return undefined;
  const [head = "", tail] = new URL(url).hostname.slice(1, -1).split("::");
  const numbers = (text = ""): number[] =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const [first, last] = [numbers(head), numbers(tail)];
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
}
