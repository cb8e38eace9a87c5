// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "@ambientmesh/core";
import {
  hostNetns,
  inNetns,
  listPids,
  raiseOpenFileLimit,
  requireCapabilities,
  type Capability,
} from "@ambientmesh/linux";
import { cniErrors } from "./errors.ts";

/** What the agent can't do without: rules, other network namespaces, those of other users' processes. */
export const AGENT_CAPABILITIES: readonly Capability[] = [
  "NET_ADMIN",
  "NET_RAW",
  "SYS_ADMIN",
  "SYS_PTRACE",
  "DAC_OVERRIDE",
];

/**
 * What has to work before the first pod comes. Also lets this process hold as many namespaces open as it may.
 * @throws MeshError LINUX_CAPABILITY_MISSING, LINUX_UNSUPPORTED, CNI_PROC_MISSING
 */
export async function selfCheck(logger: Logger, procDirectory: string): Promise<void> {
  requireCapabilities("the CNI agent", AGENT_CAPABILITIES);
  // Also opens the namespace to return to, before this thread first leaves it.
  inNetns(hostNetns(), () => 0);
  try {
    await listPids(procDirectory);
  } catch (error) {
    throw cniErrors.create(
      "CNI_PROC_MISSING",
      `the node's processes can't be seen in ${procDirectory}; mount the node's /proc there, or set HOST_PROC`,
      { cause: error, details: { procDirectory } },
    );
  }
  try {
    const { soft } = raiseOpenFileLimit();
    logger.info("open files are limited", { limit: soft });
  } catch (error) {
    logger.warn("the limit of open files could not be raised", { error });
  }
}
