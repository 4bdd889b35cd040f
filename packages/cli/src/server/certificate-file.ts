/**
 * The certificate in a file of its own, so that clients can be told to trust it.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Folders there are; what a process leaves behind when it ends in some other way is removed then. */
const folders = new Set<string>();

function removeAll(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

/** A file in a folder made for it. */
export class CertificateFile {
  readonly #folder: string;
  readonly path: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, "ca.pem");
  }

  static async write(pem: string): Promise<CertificateFile> {
    const folder = await mkdtemp(join(tmpdir(), "sasl-serve-"));
    if (folders.size === 0) process.on("exit", removeAll);
    folders.add(folder);
    const file = new CertificateFile(folder);
    await writeFile(file.path, pem);
    return file;
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
    folders.delete(this.#folder);
    if (folders.size === 0) process.off("exit", removeAll);
  }
}
