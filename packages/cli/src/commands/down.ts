// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "@ambientmesh/core";
import type { CliConfig } from "../config.ts";
import { cliErrors } from "../errors.ts";
import { findMesh } from "../local/find-mesh.ts";
import { removeDeadMesh } from "../local/run-directory/claim.ts";
import { removeEmpty } from "../local/run-directory/netns-directory.ts";
import { isAlive } from "../local/run-directory/record.ts";
import type { Terminal } from "./terminal.ts";

/** Longer than pods, components and the removal take together. */
const END_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 100;

/**
 * Ends a mesh, and removes what is left of it if its supervisor was killed.
 * @throws MeshError CLI_MESH_NOT_RUNNING if there is nothing of it, CLI_LEFTOVERS, CLI_WAIT_TIMEOUT
 */
export async function down(
  name: string,
  { config, terminal, clock }: { readonly config: CliConfig; readonly terminal: Terminal; readonly clock: Clock },
): Promise<void> {
  const found = findMesh(config, name);
  if (found === undefined) throw cliErrors.create("CLI_MESH_NOT_RUNNING", `the local mesh "${name}" is not there`);
  const { place, record, isRunning } = found;
  if (isRunning) {
    terminal.tell(`ending the mesh "${name}" (process ${record.supervisor.pid})`);
    process.kill(record.supervisor.pid, "SIGTERM");
    const deadlineMs = clock.monotonicMs() + END_WITHIN_MS;
    while (isAlive(record.supervisor)) {
      if (clock.monotonicMs() > deadlineMs) {
        const text = `process ${record.supervisor.pid} did not end within ${END_WITHIN_MS / 1000} s; kill it and call this again`;
        throw cliErrors.create("CLI_WAIT_TIMEOUT", text);
      }
      await clock.sleep(LOOK_EVERY_MS);
    }
  }
  const removed = await removeDeadMesh(place, clock);
  removeEmpty(place.root);
  terminal.tell(removed === 0 ? "everything of it is removed" : `removed what it had left (${removed} things)`);
}
