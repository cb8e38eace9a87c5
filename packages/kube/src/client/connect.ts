// SPDX-License-Identifier: Apache-2.0
import { systemClock, type Clock } from "@ambientmesh/core";
import { accessOf, type KubeTarget } from "./access.ts";
import { HttpKubeClient } from "./http-kube-client.ts";
import type { KubeClient } from "./kube-client.ts";
import { NodeTransport } from "./transport.ts";

/** What a client is given. */
export interface KubeClientDeps {
  /** Default: the machine's clock. */
  readonly clock?: Clock;
}

/** Settings of a client. */
export interface KubeClientOptions {
  /** Names the program in the API server's logs, and as field manager where none is given ("istiod/1.0"). */
  readonly userAgent?: string;
  /** Until the headers of an answer, and between pieces of its body (watches aside), in ms. Default 30,000. */
  readonly headersTimeoutMs?: number;
  /** Largest answer, watches aside. Default 64 MiB. */
  readonly maxResponseBytes?: number;
  /** Connections at a time; each watch holds one. Default 128. */
  readonly maxSockets?: number;
}

/**
 * A client for an API server. Reads the target's configuration, but does not connect yet: an API server that comes
 * later is no error here.
 *
 * @example
 * using kube = await connectKube({ kind: "kubeconfig", path: "/root/.kube/config" });
 * const pods = await kube.list(RESOURCES.Pod, { namespace: "shop" });
 *
 * @throws MeshError KUBE_CONFIG_INVALID.
 */
export async function connectKube(
  target: KubeTarget,
  deps: KubeClientDeps = {},
  options: KubeClientOptions = {},
): Promise<KubeClient> {
  const { clock = systemClock } = deps;
  const access = await accessOf(target, clock);
  const transport = new NodeTransport(access, clock, {
    userAgent: options.userAgent ?? "ambientmesh",
    headersTimeoutMs: options.headersTimeoutMs ?? 30_000,
    maxSockets: options.maxSockets ?? 128,
  });
  const maxResponseBytes = options.maxResponseBytes ?? 64 * 1024 * 1024;
  return new HttpKubeClient(transport, { namespace: access.namespace, maxResponseBytes });
}
