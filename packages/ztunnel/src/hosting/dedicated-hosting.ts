// SPDX-License-Identifier: Apache-2.0
import type { Readiness } from "@ambientmesh/telemetry";
import { PodProxy } from "../proxy/pod-proxy.ts";
import type { SharedDeps } from "../proxy/shared-deps.ts";
import type { LocalWorkloadName } from "../state/workload-store.ts";
import type { Hosting } from "./hosting.ts";

/** Readiness task until the listeners are there, named as in ztunnel. */
const PROXY_TASK = "proxy";

/** One workload: a machine or a pod, in whose network namespace this process runs. */
export function createDedicatedHosting(
  shared: SharedDeps,
  workload: LocalWorkloadName,
  { readiness }: { readonly readiness: Readiness },
): Hosting {
  const isStarting = readiness.begin(PROXY_TASK);
  const { isIpv6Enabled, originalSource, keepalive, packetMark } = shared.config;
  const proxy = new PodProxy(
    shared,
    { uid: "dedicated", workload },
    { isIpv6Enabled, originalSource, keepalive, packetMark, isPortReused: false, isOnlyOutgoingMarked: true },
  );
  return {
    pods: undefined,
    async run() {
      await proxy.start();
      isStarting[Symbol.dispose]();
    },
    drain: (graceMs) => proxy.drain(graceMs),
  };
}
