// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import type { Clock, Logger } from "@ambientmesh/core";
import { createEventRecorder, type KubeClient } from "@ambientmesh/kube";
import type { Netns } from "@ambientmesh/linux";
import type { ClusterState } from "../controllers/cluster-state.ts";
import { AddressPool } from "../network/address-pool.ts";
import type { CniPlugin } from "../network/cni-plugin.ts";
import type { Fabric } from "../network/fabric.ts";
import { PluginRegistry } from "../network/plugin-registry.ts";
import type { Place } from "../run-directory/place.ts";
import type { RecordKeeper } from "../run-directory/record.ts";
import { NODES, type NodeSpec } from "../topology.ts";
import { createPodCgroups } from "./cgroups.ts";
import { Kubelet } from "./kubelet.ts";
import { LogFiles } from "./log-files.ts";
import { createNodeSandbox, type NodeSandboxDeps } from "./node-sandbox.ts";
import type { PodWorkerDeps } from "./pod-worker.ts";
import { StatusWriter } from "./status-writer.ts";

export interface KubeletsDeps {
  readonly client: KubeClient;
  readonly state: ClusterState;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly place: Place;
  readonly keeper: RecordKeeper;
  readonly fabric: Fabric;
  readonly folder: string;
  /** Agents will install a CNI plugin on the nodes. */
  readonly hasAgents: boolean;
  readonly environment: Readonly<Record<string, string>>;
}

/** The kubelets of all nodes. Disposing ends all pods, those of users first and the control plane last. */
export interface Kubelets extends AsyncDisposable {
  /** Process ids of a pod's running containers, as they are now. */
  readonly pidsOf: (pod: Pod) => readonly number[];
  /** From now on the plugin is called for each new pod of the node. */
  installCniPlugin(node: string, plugin: CniPlugin): void;
}

/** How long programs may take to end when the mesh does. */
const MAX_GRACE_MS = 8000;

/**
 * An agent finds pods that were there before it by their control groups. Where there are none, pods wait a while for the
 * plugin, through which the agent learns of them.
 */
const PLUGIN_PATIENCE_MS = 20_000;

/** In this order pods end with the mesh. */
const STAGES: readonly ((pod: Pod) => boolean)[] = [
  ({ spec }) => spec.hostNetwork !== true,
  ({ spec }) => spec.nodeName !== "control-plane",
  () => true,
];

export function startKubelets(deps: KubeletsDeps): Kubelets {
  const { client, state, clock, place, keeper } = deps;
  const logger = deps.logger.child("kubelet");
  const stack = new AsyncDisposableStack();
  const statuses = stack.use(new StatusWriter({ client, clock, logger }));
  const events = stack.use(createEventRecorder({ component: "kubelet" }, { client, clock, logger }));
  const logs = stack.use(new LogFiles(place.logs, clock));
  const cgroups = createPodCgroups(place.mesh, keeper);
  if (cgroups === undefined) logger.warn("pods get no control groups: this user may not make any");
  const patienceMs = cgroups === undefined && deps.hasAgents ? PLUGIN_PATIENCE_MS : 0;
  const plugins = new PluginRegistry(clock, patienceMs);
  const start = (node: NodeSpec): Kubelet => {
    const sandboxDeps: NodeSandboxDeps = {
      client,
      clock,
      logger,
      place,
      keeper,
      node,
      cgroups,
      configMaps: state.configMaps,
      netns: deps.fabric.nodes.get(node.name) as Netns,
      addresses: new AddressPool(node.podPrefix),
      plugins,
      folder: deps.folder,
      environment: deps.environment,
    };
    const createSandbox: PodWorkerDeps["createSandbox"] = (pod, signal) => createNodeSandbox(pod, sandboxDeps, signal);
    const kubeletDeps = { client, pods: state.pods, clock, logger, events, statuses, logs, createSandbox };
    return new Kubelet(kubeletDeps, { nodeName: node.name, hostIp: node.address });
  };
  const kubelets = NODES.map(start);
  stack.defer(async () => {
    plugins.close();
    for (const kubelet of kubelets) kubelet[Symbol.dispose]();
    for (const isMeant of STAGES) await Promise.all(kubelets.map((kubelet) => kubelet.stop(isMeant, MAX_GRACE_MS)));
  });
  return {
    pidsOf: ({ metadata: { uid = "" } }) => kubelets.flatMap((kubelet) => kubelet.worker(uid)?.pids ?? []),
    installCniPlugin: (node, plugin) => plugins.install(node, plugin),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
