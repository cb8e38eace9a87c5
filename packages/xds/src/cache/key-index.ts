// SPDX-License-Identifier: Apache-2.0
import type { EncodedResource } from "./resource.ts";

/** Which resources answer to an alias or a group key; several may. */
export class KeyIndex {
  readonly #names = new Map<string, Set<string>>();

  add(resource: EncodedResource): void {
    for (const key of [...resource.aliases, ...resource.keys]) {
      const names = this.#names.get(key);
      if (names) names.add(resource.name);
      else this.#names.set(key, new Set([resource.name]));
    }
  }

  remove(resource: EncodedResource): void {
    for (const key of [...resource.aliases, ...resource.keys]) {
      const names = this.#names.get(key);
      names?.delete(resource.name);
      if (names?.size === 0) this.#names.delete(key);
    }
  }

  names(key: string): Iterable<string> {
    return this.#names.get(key) ?? [];
  }
}
