// SPDX-License-Identifier: Apache-2.0
import { NetworkPlan, createNamedNetns, deleteNamedNetns, writeSysctl, type Netns } from "@ambientmesh/linux";
import { noteNetnsDirectory } from "../run-directory/netns-directory.ts";
import type { Place } from "../run-directory/place.ts";
import type { RecordKeeper } from "../run-directory/record.ts";
import { NODES, SUBNETS, podSubnet, type NodeSpec } from "../topology.ts";

/** The bridge between the nodes, where captures see what goes from node to node. */
const BRIDGE = "br0";
export const FABRIC = "fabric";

/** The namespaces of the nodes and of the network between them. */
export interface Fabric extends AsyncDisposable {
  readonly fabric: Netns;
  /** By name of the node. */
  readonly nodes: ReadonlyMap<string, Netns>;
}

/**
 * Makes the namespaces of all nodes and connects them.
 * @throws MeshError with a LINUX_* code; what was made is removed again
 */
export async function createFabric(place: Place, keeper: RecordKeeper): Promise<Fabric> {
  noteNetnsDirectory(place);
  await using stack = new AsyncDisposableStack();
  const make = (name: string): Netns => {
    const netns = stack.use(namedNetns(place.netnsName(name), { place, keeper }));
    return netns.netns;
  };
  const fabric = make(FABRIC);
  const nodes = new Map(NODES.map((node) => [node.name, make(node.name)]));
  const plan = new NetworkPlan().loopback(fabric).bridge({ netns: fabric, name: BRIDGE });
  for (const node of NODES) planNode(plan, node, { fabric, netns: nodes.get(node.name) as Netns });
  for (const netns of nodes.values()) configureRouter(netns);
  await plan.apply();
  const owned = stack.move();
  return { fabric, nodes, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A network namespace with a name that is on record before it is made. */
export function namedNetns(
  name: string,
  { place, keeper }: { readonly place: Place; readonly keeper: RecordKeeper },
): Disposable & { readonly netns: Netns } {
  keeper.add("netns", name);
  const netns = createNamedNetns(name, place.netnsDirectory);
  return {
    netns,
    [Symbol.dispose]() {
      netns[Symbol.dispose]();
      deleteNamedNetns(name, place.netnsDirectory);
      keeper.remove("netns", name);
    },
  };
}

function planNode(
  plan: NetworkPlan,
  node: NodeSpec,
  { fabric, netns }: { readonly fabric: Netns; readonly netns: Netns },
): void {
  plan
    .loopback(netns)
    .veth(
      { netns: fabric, name: node.name, bridge: BRIDGE },
      { netns, name: "eth0", addresses: [`${node.address}/24`] },
    )
    // Connections to services need a route before they are given another destination.
    .route(netns, { to: SUBNETS.services, device: "eth0" })
    // An address that no pod has is refused at once.
    .route(netns, { to: podSubnet(node), type: "unreachable" });
  for (const other of NODES) {
    if (other !== node) plan.route(netns, { to: podSubnet(other), via: other.address });
  }
}

function configureRouter(netns: Netns): void {
  writeSysctl(netns, "net/ipv4/ip_forward", 1);
  // Machines may filter by return path, which the machine's own namespace hands down.
  for (const scope of ["all", "default"]) writeSysctl(netns, `net/ipv4/conf/${scope}/rp_filter`, 0);
}
