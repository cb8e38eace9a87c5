// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import {
  NetworkPlan,
  ipBatch,
  linuxErrors,
  openNamedNetns,
  pidsInNetns,
  type Netns,
  type NetnsRef,
} from "@ambientmesh/linux";
import { cliErrors } from "../../errors.ts";
import { kill } from "../run-directory/leftovers.ts";
import { podNetnsName, type Place } from "../run-directory/place.ts";
import type { RecordKeeper } from "../run-directory/record.ts";
import { POD_GATEWAY, type NodeSpec } from "../topology.ts";
import type { AddressPool } from "./address-pool.ts";
import { namedNetns } from "./fabric.ts";

/** Where a pod's containers run. Disposing ends every process in it and removes it. */
export interface PodNetwork extends AsyncDisposable {
  readonly netns: Netns;
  /** Path of the namespace, as CNI plugins get it. */
  readonly path: string;
  readonly ip: string;
}

export interface PodNetworkDeps {
  readonly place: Place;
  readonly keeper: RecordKeeper;
  readonly node: NodeSpec;
  /** The node's namespace. */
  readonly netns: NetnsRef;
  readonly addresses: AddressPool;
}

/**
 * A namespace with one address, connected to its node's namespace, through which all of its traffic is routed.
 * @throws MeshError CLI_POD_FAILED when the node has no address left, LINUX_*; what was made is removed again
 */
export async function createPodNetwork(uid: string, deps: PodNetworkDeps): Promise<PodNetwork> {
  const { place, keeper, node, addresses } = deps;
  const ip = addresses.take();
  if (ip === undefined) throw cliErrors.create("CLI_POD_FAILED", `${node.name} has no address left for another pod`);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => addresses.giveBack(ip));
  const name = podNetnsName(uid);
  const { netns } = stack.use(namedNetns(name, { place, keeper }));
  const device = hostDevice(uid);
  stack.defer(() => removeDevice(deps.netns, device));
  stack.defer(() => endProcesses(netns));
  await new NetworkPlan()
    .loopback(netns)
    .veth(
      { netns: deps.netns, name: device, addresses: [`${POD_GATEWAY}/32`] },
      { netns, name: "eth0", addresses: [`${ip}/32`] },
    )
    .route(netns, { to: POD_GATEWAY, device: "eth0" })
    .route(netns, { to: "default", via: POD_GATEWAY })
    .route(deps.netns, { to: ip, device, source: node.address })
    .apply();
  const owned = stack.move();
  const path = `${place.netnsDirectory}/${name}`;
  return { netns, path, ip, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Name of the node's end of a pod's cable: up to 15 characters, the same for the same pod. */
export function hostDevice(uid: string): string {
  return `veth${createHash("sha256").update(uid).digest("hex").slice(0, 10)}`;
}

/** The namespace would take it along, but only when the kernel gets round to it; the route has to go now. */
async function removeDevice(netns: NetnsRef, device: string): Promise<void> {
  await ipBatch([`link del dev ${device}`], { netns }).catch((error: unknown) => {
    if (!/Cannot find device/.test(String(error))) throw error;
  });
}

async function endProcesses(netns: NetnsRef): Promise<void> {
  for (const pid of await pidsInNetns(netns)) kill(pid);
}

/** The namespace of a running pod. The caller closes it. @throws MeshError CLI_TARGET_NOT_FOUND */
export function openPodNetns(uid: string, { netnsDirectory }: Place): Netns {
  try {
    return openNamedNetns(podNetnsName(uid), netnsDirectory);
  } catch (error) {
    if (!linuxErrors.is(error, "LINUX_NETNS_NOT_FOUND")) throw error;
    throw cliErrors.create("CLI_TARGET_NOT_FOUND", `the pod with uid ${uid} has no network yet, or no longer`, {
      cause: error,
    });
  }
}
