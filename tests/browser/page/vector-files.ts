/**
 * In the place of `packages/core/test/vectors.ts`: the same files, bundled.
 *
 * @module
 */
const files = import.meta.glob<{ readonly vectors: unknown }>("/packages/core/test/vectors/*.json", {
  eager: true,
  import: "default",
});
const read = new Set<string>();

export function loadVectors(name: string): unknown {
  return (loadVectorData(name) as { readonly vectors: unknown }).vectors;
}

export function loadVectorData(name: string): unknown {
  const content = files[`/packages/core/test/vectors/${name}.json`];
  if (content === undefined) throw new Error(`there are no vectors ${name}`);
  read.add(name);
  return structuredClone(content);
}

/** Names that were loaded. */
export function filesRead(): string[] {
  return [...read];
}
