// SPDX-License-Identifier: Apache-2.0
import type { MeshConfig } from "../config/mesh-config.ts";

/** The MeshConfig in force: whoever holds it sees each field as it is now. */
export class LiveMeshConfig implements MeshConfig {
  #current: MeshConfig;

  constructor(initial: MeshConfig) {
    this.#current = initial;
  }

  get trustDomain(): string {
    return this.#current.trustDomain;
  }

  get rootNamespace(): string {
    return this.#current.rootNamespace;
  }

  /** All fields as they are at this moment. */
  get current(): MeshConfig {
    return this.#current;
  }

  replace(meshConfig: MeshConfig): void {
    this.#current = meshConfig;
  }
}
