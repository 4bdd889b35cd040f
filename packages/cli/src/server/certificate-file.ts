/**
 * The certificate in a file of its own, so that clients can be told to trust it.
 *
 * @module
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file in a folder made for it. */
export class CertificateFile {
  readonly #folder: string;
  readonly path: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, "ca.pem");
  }

  static async write(pem: string): Promise<CertificateFile> {
    const file = new CertificateFile(await mkdtemp(join(tmpdir(), "sasl-serve-")));
    await writeFile(file.path, pem);
    return file;
  }

  remove(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true });
  }
}
