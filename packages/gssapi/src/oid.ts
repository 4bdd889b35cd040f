/**
 * Dotted OIDs and their content octets (X.690 §8.19), of mechanisms alone: their own, or what the library says.
 *
 * @module
 */

/** @param dotted of small arcs, under 1 or 2. */
export function oidContent(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...more] = dotted.split(".").map(Number);
  const octets = [first * 40 + second, ...more].flatMap((arc) => {
    const septets = [arc % 0x80];
    for (let rest = Math.floor(arc / 0x80); rest > 0; rest = Math.floor(rest / 0x80))
      septets.unshift(0x80 + (rest % 0x80));
    return septets;
  });
  return Uint8Array.from(octets);
}

/** @param content whole, as a library has it. */
export function oidText(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const octet of content) {
    arc = arc * 0x80 + (octet & 0x7f);
    if (octet >= 0x80) continue;
    arcs.push(arc);
    arc = 0;
  }
  const [first = 0] = arcs;
  const top = Math.min(Math.floor(first / 40), 2);
  return [top, first - top * 40, ...arcs.slice(1)].join(".");
}
