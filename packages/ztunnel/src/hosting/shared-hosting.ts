// SPDX-License-Identifier: Apache-2.0
import type { Metrics } from "@ambientmesh/core";
import type { Readiness } from "@ambientmesh/telemetry";
import { WorkloadManager } from "../inpod/workload-manager.ts";
import { ZdsClient } from "../inpod/zds-client.ts";
import { PodProxy } from "../proxy/pod-proxy.ts";
import { createSelfProxy } from "../proxy/self-proxy.ts";
import type { SharedDeps } from "../proxy/shared-deps.ts";
import type { Hosting } from "./hosting.ts";

/** All pods of the node, as the CNI agent hands them over. */
export function createSharedHosting(
  shared: SharedDeps,
  { readiness, metrics }: { readonly readiness: Readiness; readonly metrics: Metrics },
): Hosting {
  const { config, clock } = shared;
  const logger = shared.logger.child("inpod");
  const manager = new WorkloadManager({
    startPod: async (pod) => {
      const proxy = new PodProxy(shared, pod, { ...config, netns: pod.netns });
      await proxy.start();
      return proxy;
    },
    readiness,
    logger,
    metrics,
  });
  const self = createSelfProxy(shared);
  return {
    get pods() {
      return manager.pods;
    },
    async run(signal) {
      await self
        ?.start()
        .catch((error: unknown) => shared.logger.error("this proxy can't be reached over HBONE", { error }));
      await new ZdsClient({ manager, clock, logger }, { path: config.inpodUds }).run(signal);
    },
    async drain(graceMs) {
      await Promise.all([manager.drain(graceMs), self?.drain(graceMs)]);
    },
  };
}
