// SPDX-License-Identifier: Apache-2.0
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LocalMesh } from "../local/mesh.ts";

/** A YAML file saved into the running mesh; disposing removes the file, and with it its objects. */
export class SavedFile implements Disposable {
  readonly #path: string;

  constructor(mesh: LocalMesh, name: string) {
    this.#path = join(mesh.scratchFolder, name);
  }

  /** Saves as editors do: a new file in the place of the old one. */
  save(yaml: string): void {
    const temporary = `${this.#path}.tmp`;
    writeFileSync(temporary, yaml);
    renameSync(temporary, this.#path);
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { force: true });
  }
}
