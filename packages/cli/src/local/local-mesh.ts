// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import { abortedError, silentLogger, systemClock, type Logger } from "@ambientmesh/core";
import { formatFeedProblem } from "@ambientmesh/kube/local";
import { parseConfig } from "../config.ts";
import { cliErrors } from "../errors.ts";
import { findFooting } from "./footing.ts";
import type { LocalMesh } from "./mesh.ts";
import { Place } from "./run-directory/place.ts";
import type { RunningMesh } from "./running-mesh.ts";
import { startMesh } from "./start-mesh.ts";

/** How a mesh is to be, for tests and measurements. */
export interface LocalMeshOptions {
  /** Up to 20 small letters, digits and dashes; meshes with different names run side by side. */
  readonly name: string;
  /** A folder of YAML; programs of its pods run in it. */
  readonly folder: string;
  /** The environment of this process. Programs in pods get PATH, HOME, TERM, TZ and the locale of it, and nothing else. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Lifetime of pods' certificates, as in `40s`. Default 24h. */
  readonly secretTtl?: string;
  /** Of istiod, agents and proxies. Default info. */
  readonly logLevel?: "error" | "warn" | "info" | "debug" | "trace";
  /** How long the pods may take to be ready, in ms. Default 60,000. */
  readonly readyWithinMs?: number;
  /** Told what has been done, and what is wrong in the folder, in a few words. */
  readonly onProgress?: (text: string) => void;
  readonly logger?: Logger;
}

const DEFAULT_READY_WITHIN_MS = 60_000;

/**
 * Starts what `ambientctl local up` starts, in this process, and resolves when all of its pods are ready. Needs root.
 * @throws MeshError CLI_PRIVILEGE_MISSING, CLI_PROGRAM_MISSING, CLI_NOT_READY naming the pods that are not ready, and
 * what {@link startMesh} throws; nothing is left then
 */
export async function startLocalMesh(options: LocalMeshOptions, signal?: AbortSignal): Promise<LocalMesh> {
  const { env, onProgress = () => {} } = options;
  const config = parseConfig(env, process.getuid?.() ?? 0);
  const footing = await findFooting(config);
  if (footing.kind === "inside") {
    const text = "a mesh in this process needs root; `ambientctl local up` does without, in a process of its own";
    throw cliErrors.create("CLI_PRIVILEGE_MISSING", text);
  }
  await using stack = new AsyncDisposableStack();
  const mesh = stack.use(
    await startMesh(
      {
        place: new Place(footing.root, options.name, footing.seclusion),
        folder: resolve(options.folder),
        components: {
          resolve: (specifier) => import.meta.resolve(specifier),
          secretTtl: options.secretTtl ?? "24h",
          logLevel: options.logLevel ?? "info",
          searchPath: config.searchPath,
        },
        environment: { ...config.inherited, PATH: config.searchPath },
        machineEnvironment: env,
      },
      {
        clock: systemClock,
        logger: options.logger ?? silentLogger,
        onProgress,
        onProblems: (found) => found.forEach((problem) => onProgress(formatFeedProblem(problem))),
      },
      signal,
    ),
  );
  await untilReady(mesh, options.readyWithinMs ?? DEFAULT_READY_WITHIN_MS, signal);
  stack.move();
  return mesh;
}

async function untilReady(mesh: RunningMesh, withinMs: number, signal: AbortSignal | undefined): Promise<void> {
  let last: readonly string[] = [];
  try {
    await mesh.waitFor("all pods to be ready", withinMs, async () => {
      if (signal?.aborted) throw abortedError(signal, "the start of the mesh");
      last = await mesh.unready();
      return last.length === 0 ? true : undefined;
    });
  } catch (error) {
    if (!cliErrors.is(error, "CLI_WAIT_TIMEOUT")) throw error;
    const text = `not ready after ${withinMs / 1000} s: ${last.join("; ")}`;
    throw cliErrors.create("CLI_NOT_READY", text, { cause: error });
  }
}
