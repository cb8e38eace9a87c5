// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { messageOf, type Clock, type Logger } from "@ambientmesh/core";
import { FileWatcher } from "@ambientmesh/spiffe";
import type { ServerTlsMaterial, ServerTlsSource } from "@ambientmesh/xds";
import { errors } from "../errors.ts";

/** A serving certificate that somebody else provides. */
export interface ServingFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** Where an operator may mount a serving certificate without naming it (Istio 1.31). */
export const MOUNTED_SERVING_FILES: ServingFiles = {
  certificateFile: "./var/run/secrets/istiod/tls/tls.crt",
  keyFile: "./var/run/secrets/istiod/tls/tls.key",
};

interface Material {
  readonly key: string;
  readonly certificates: string;
}

export interface ServingFilesDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Roots of client certificates, which the built-in CA signs also where it doesn't sign ours. */
  readonly clientRoots: () => string;
}

/** Reads a serving certificate from files and follows them; what is half-written or doesn't fit is not taken. */
export class ServingCertificateFiles implements ServerTlsSource, AsyncDisposable {
  readonly #deps: ServingFilesDeps;
  readonly #files: ServingFiles;
  readonly #watcher: FileWatcher;
  readonly #listeners = new Set<() => void>();
  #material: Material;

  private constructor(deps: ServingFilesDeps, files: ServingFiles, material: Material) {
    this.#deps = deps;
    this.#files = files;
    this.#material = material;
    const paths = [files.certificateFile, files.keyFile];
    this.#watcher = new FileWatcher(deps, { paths, onChange: () => this.#reload() });
  }

  /** @throws MeshError ISTIOD_SERVING_CERTIFICATE_INVALID */
  static async create(deps: ServingFilesDeps, files: ServingFiles): Promise<ServingCertificateFiles> {
    const source = new ServingCertificateFiles(deps, files, await readMaterial(files));
    await source.#watcher.start();
    return source;
  }

  current(): ServerTlsMaterial {
    return { ...this.#material, clientRoots: [this.#deps.clientRoots()] };
  }

  subscribe(changed: () => void): Disposable {
    this.#listeners.add(changed);
    return { [Symbol.dispose]: () => void this.#listeners.delete(changed) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watcher[Symbol.asyncDispose]();
  }

  async #reload(): Promise<void> {
    this.#material = await readMaterial(this.#files);
    this.#deps.logger.info("serving certificate changed", { file: this.#files.certificateFile });
    for (const listener of this.#listeners) listener();
  }
}

async function readMaterial({ certificateFile, keyFile }: ServingFiles): Promise<Material> {
  try {
    const [certificates, key] = await Promise.all([readFile(certificateFile, "utf8"), readFile(keyFile, "utf8")]);
    createSecureContext({ cert: certificates, key });
    return { certificates, key };
  } catch (cause) {
    throw errors.create(
      "ISTIOD_SERVING_CERTIFICATE_INVALID",
      `the serving certificate ${certificateFile} with the key ${keyFile} can't be used: ${messageOf(cause)}`,
      { cause },
    );
  }
}
