/// <reference types="vite/types/importMeta.d.ts" />
/** Every mechanism of ours with what the compliance suite has to know about it: a file in `subjects/` for each family. */
import type { Mechanism } from "../src/mechanism.js";
import * as exported from "../src/mechanisms/index.js";
import { isMechanism } from "../src/read-plugins.js";
import type { Subjects } from "./subjects/shared.js";

/** Every mechanism that is exported, by name: there has to be a subject for each of them. */
export const exportedMechanisms: ReadonlyMap<string, Mechanism> = new Map(
  (Object.values(exported) as unknown[]).filter(isMechanism).map((each) => [each.name, each]),
);

const families = import.meta.glob<{ subjects?: Subjects }>("./subjects/*.ts", { eager: true });

/** What the suite has to know, by name. */
export const subjects: Subjects = Object.assign({}, ...Object.values(families).map((family) => family.subjects));
