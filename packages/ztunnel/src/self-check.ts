// SPDX-License-Identifier: Apache-2.0
import { MARKS } from "@ambientmesh/api";
import type { Logger } from "@ambientmesh/core";
import { IN_POD_CAPABILITIES, probeInPodSockets, raiseOpenFileLimit, requireCapabilities } from "@ambientmesh/linux";

import type { ZtunnelConfig } from "./config/model.ts";

/**
 * What has to work before the first pod comes: the capabilities for sockets in other network namespaces, the way into one
 * and back, marks. A dedicated proxy needs none of that. Also lets this process have as many sockets as it may.
 * @throws MeshError LINUX_CAPABILITY_MISSING, LINUX_FEATURE_MISSING, LINUX_UNSUPPORTED
 */
export function selfCheck(logger: Logger, { mode, packetMark }: Pick<ZtunnelConfig, "mode" | "packetMark">): void {
  if (mode.kind === "shared") {
    requireCapabilities("ztunnel", IN_POD_CAPABILITIES);
    // Also opens the namespace to return to, before this thread first leaves it.
    probeInPodSockets(packetMark ?? MARKS.PACKET);
  }
  try {
    const { soft } = raiseOpenFileLimit();
    logger.info("open files are limited", { limit: soft });
  } catch (error) {
    logger.warn("the limit of open files could not be raised", { error });
  }
}
