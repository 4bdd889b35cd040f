/**
 * Requirements against test names; no files, no processes.
 *
 * @module
 */

/** @typedef {{ title: string, ids: string[] }} Section */

/**
 * @typedef {object} Finished
 * @property {readonly string[]} sections titles; each number in them needs a test
 * @property {Readonly<Record<string, string>>} outOfScope a number, or a range as `R-GEN-21..25`, and the reason
 */

/**
 * @typedef {object} SectionResult
 * @property {string} title
 * @property {boolean} finished
 * @property {string[]} covered
 * @property {string[]} missing
 * @property {string[]} outOfScope not covered, with a reason
 */

/** @typedef {{ sections: SectionResult[], faults: string[] }} Result */

const anywhere = /\bR-[A-Z0-9]+-\d{2,}\b/g;

/**
 * @param {string} markdown `## Title`, then one line for each requirement, beginning with its number
 * @returns {Section[]}
 */
export function parseRequirements(markdown) {
  /** @type {Section[]} */
  const sections = [];
  for (const line of markdown.split(/\r?\n/)) {
    const title = /^## (.+)$/.exec(line)?.[1];
    if (title !== undefined) sections.push({ title: title.trim(), ids: [] });
    const id = /^(R-[A-Z0-9]+-\d{2,}) /.exec(line)?.[1];
    if (id !== undefined) sections.at(-1)?.ids.push(id);
  }
  return sections.filter(({ ids }) => ids.length > 0);
}

/**
 * @param {string} text a number, or a range of them: `R-GEN-21..25`
 * @returns {string[]}
 */
export function expandRange(text) {
  const match = /^(R-[A-Z0-9]+-)(\d+)(?:\.\.(\d+))?$/.exec(text);
  if (match === null) throw new TypeError(`"${text}" is neither a requirement's number nor a range of them.`);
  const [, prefix = "", first = "", last = first] = match;
  const ids = [];
  for (let n = Number(first); n <= Number(last); n++) ids.push(prefix + String(n).padStart(first.length, "0"));
  return ids;
}

/**
 * @param {readonly Section[]} sections
 * @param {Finished} finished
 * @param {readonly string[]} testNames
 * @returns {Result}
 */
export function compare(sections, finished, testNames) {
  const known = new Set(sections.flatMap(({ ids }) => ids));
  const tested = new Set(testNames.flatMap((name) => name.match(anywhere) ?? []));
  const excused = new Set(Object.keys(finished.outOfScope).flatMap(expandRange));

  const faults = [
    ...[...tested].filter((id) => !known.has(id)).map((id) => `A test names ${id}, which does not exist.`),
    ...[...excused].filter((id) => !known.has(id)).map((id) => `${id} is called out of scope and does not exist.`),
    ...finished.sections
      .filter((title) => !sections.some((section) => section.title === title))
      .map((title) => `"${title}" is called finished and is no section.`),
    ...Object.entries(finished.outOfScope)
      .filter(([, reason]) => reason.trim() === "")
      .map(([id]) => `${id} is out of scope without a reason.`),
  ];
  const results = sections.map(({ title, ids }) => {
    const isFinished = finished.sections.includes(title);
    const covered = ids.filter((id) => tested.has(id));
    const uncovered = ids.filter((id) => !tested.has(id));
    const missing = uncovered.filter((id) => !excused.has(id));
    if (isFinished) faults.push(...missing.map((id) => `${id} has no test (${title}).`));
    return { title, finished: isFinished, covered, missing, outOfScope: uncovered.filter((id) => excused.has(id)) };
  });
  return { sections: results, faults };
}

/**
 * @param {Result} result
 * @param {{ verbose: boolean }} options
 * @returns {string[]} lines
 */
export function report({ sections, faults }, { verbose }) {
  const width = Math.max(...sections.map(({ title }) => title.length));
  const lines = [`${"section".padEnd(width)}  covered  not covered  out of scope  finished`];
  for (const { title, finished, covered, missing, outOfScope } of sections) {
    const counts = [
      String(covered.length).padStart(7),
      String(missing.length).padStart(11),
      String(outOfScope.length).padStart(12),
    ];
    lines.push(`${title.padEnd(width)}  ${counts.join("  ")}  ${finished ? "yes" : "no"}`);
    if (verbose && missing.length > 0) lines.push(`  not covered: ${missing.join(" ")}`);
    if (verbose && outOfScope.length > 0) lines.push(`  out of scope: ${outOfScope.join(" ")}`);
  }
  const total = sections.reduce((sum, { covered }) => sum + covered.length, 0);
  const all = sections.reduce((sum, s) => sum + s.covered.length + s.missing.length + s.outOfScope.length, 0);
  lines.push(`${total} of ${all} requirements have a test.`, ...faults.map((fault) => `FAULT ${fault}`));
  return lines;
}
