// SPDX-License-Identifier: Apache-2.0
import { PORTS } from "@ambientmesh/api";
import type { RunningPod } from "../inpod/pod.ts";
import { PodProxy } from "./pod-proxy.ts";
import type { SharedDeps } from "./shared-deps.ts";

/**
 * Takes tunnels for this proxy's own pod, so that its metrics can be read over HBONE under policy. Undefined if the pod is
 * not named in full. Its sockets are ordinary ones: nothing redirects them.
 */
export function createSelfProxy(
  shared: SharedDeps,
): { start(): Promise<void>; drain: RunningPod["drain"] } | undefined {
  const { podName: name, podNamespace: namespace, serviceAccount, isIpv6Enabled, keepalive } = shared.config;
  if (name === undefined || namespace === undefined || serviceAccount === undefined) return undefined;
  const proxy = new PodProxy(
    shared,
    { uid: "self", workload: { name, namespace, serviceAccount } },
    { isIpv6Enabled, keepalive, isPortReused: false, originalSource: "never" },
  );
  return { start: () => proxy.start([PORTS.HBONE]), drain: (graceMs) => proxy.drain(graceMs) };
}
