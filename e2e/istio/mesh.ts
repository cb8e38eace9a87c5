// SPDX-License-Identifier: Apache-2.0
import { buildNetwork, type TestNetwork } from "@ambientmesh/testkit";
import type { RealKube } from "../../packages/istiod/test/support/real-kube.ts";
import { startCluster } from "./cluster.ts";
import { startIstioIstiod, type IstioIstiod } from "./istiod.ts";
import { Proxies } from "./proxies.ts";

/** Two nodes under Istio's istiod, with our ztunnels: a client and a pod outside the mesh on n1, a server on n2. */
export interface IstioMesh extends AsyncDisposable {
  readonly network: TestNetwork;
  readonly kube: RealKube;
  readonly istiod: IstioIstiod;
  readonly proxies: Proxies;
}

/** @param pilotDiscovery path of Istio's control plane */
export async function startIstioMesh(pilotDiscovery: string): Promise<IstioMesh> {
  await using stack = new AsyncDisposableStack();
  const nodes = { n1: { pods: ["client", "plain"] }, n2: { pods: ["server"] } };
  const network = stack.use(await buildNetwork({ nodes }));
  const kube = stack.use(await startCluster(network));
  const istiod = stack.use(await startIstioIstiod(pilotDiscovery, kube.kubeconfig));
  const proxies = stack.use(await Proxies.start({ network, client: kube.client, address: istiod.address }));
  await proxies.echo("server", 8080);
  const owned = stack.move();
  return { network, kube, istiod, proxies, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
