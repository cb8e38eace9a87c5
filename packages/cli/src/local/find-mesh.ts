// SPDX-License-Identifier: Apache-2.0
import { connectKube, type KubeClient } from "@ambientmesh/kube";
import type { CliConfig } from "../config.ts";
import { cliErrors } from "../errors.ts";
import { runningSupervisor } from "./run-directory/claim.ts";
import { Place } from "./run-directory/place.ts";
import { readRecord, type MeshRecord } from "./run-directory/record.ts";

/** A mesh that another process runs, or that one has left behind. */
export interface FoundMesh {
  readonly place: Place;
  readonly record: MeshRecord;
  readonly isRunning: boolean;
}

/**
 * Looks for the run directory of a mesh where this user could have one.
 * @throws MeshError CLI_RUN_DIRECTORY when it is somebody else's
 */
export function findMesh(config: CliConfig, mesh: string): FoundMesh | undefined {
  for (const root of new Set([config.privateRoot, config.machineRoot])) {
    const record = readRecord(new Place(root, mesh, "machine").record);
    if (record === undefined) continue;
    const place = new Place(root, mesh, record.seclusion);
    return { place, record, isRunning: runningSupervisor(place) !== undefined };
  }
  return undefined;
}

/** @throws MeshError CLI_MESH_NOT_RUNNING, and as {@link findMesh} */
export function requireMesh(config: CliConfig, mesh: string): FoundMesh {
  const found = findMesh(config, mesh);
  if (found?.isRunning === true) return found;
  const state = found === undefined ? "is not running" : "has ended without cleaning up; the next start does that";
  throw cliErrors.create(
    "CLI_MESH_NOT_RUNNING",
    `the local mesh "${mesh}" ${state}; start it with "ambientctl local up"`,
  );
}

/** The API of a running mesh, as its administrator. */
export async function connectToMesh({ place }: FoundMesh): Promise<KubeClient> {
  return connectKube({ kind: "kubeconfig", path: place.kubeconfig }, {}, { userAgent: "ambientctl" });
}
