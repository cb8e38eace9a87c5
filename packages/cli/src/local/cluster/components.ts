// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import { RESOURCES, objectKey } from "@ambientmesh/kube";
import type { ControllerDeps } from "../controllers/cluster-state.ts";
import { startDaemons } from "../controllers/daemons.ts";
import { isReady } from "../controllers/pods-of-owner.ts";
import type { Kubelets } from "../kubelet/kubelets.ts";
import type { CniPlugin } from "../network/cni-plugin.ts";
import type { Place } from "../run-directory/place.ts";
import { WORKERS } from "../topology.ts";
import { programCommand, type ResolveModule } from "./programs.ts";
import { SYSTEM_NAMESPACE, cniName } from "./system-names.ts";
import { cniPod, cniRunDirectory, istiodDeployment, ztunnelPod, type SystemPodOptions } from "./system-pods.ts";

/** How istiod, the agents and the proxies are run. */
export interface ComponentOptions {
  readonly resolve: ResolveModule;
  /** Lifetime asked for in certificate requests, as in `24h`. */
  readonly secretTtl: string;
  readonly logLevel: string;
  /** Where the CNI plugin finds programs. */
  readonly searchPath: string;
}

export interface ComponentsDeps extends ControllerDeps {
  readonly place: Place;
  readonly kubelets: Kubelets;
  readonly onProgress: (text: string) => void;
}

/** Makes the pods of the mesh itself, and calls its CNI plugin on a node once the node's agent has been ready. */
export async function startComponents(deps: ComponentsDeps, options: ComponentOptions): Promise<AsyncDisposable> {
  const { client, place, onProgress } = deps;
  const command = (specifier: string): SystemPodOptions["command"] | undefined => {
    const found = programCommand(specifier, options.resolve);
    if ("argv" in found) return found.argv;
    onProgress(`the mesh goes without ${specifier}: ${found.problem}`);
    return undefined;
  };
  const { secretTtl, logLevel } = options;
  const podOptions = (argv: SystemPodOptions["command"]): SystemPodOptions => ({
    place,
    command: argv,
    secretTtl,
    logLevel,
  });
  const istiod = command("@ambientmesh/istiod/main");
  const ztunnel = command("@ambientmesh/ztunnel/main");
  const cni = command("@ambientmesh/cni/main");
  const plugin = command("@ambientmesh/cni/plugin");
  if (istiod !== undefined) await client.create(RESOURCES.Deployment, istiodDeployment(podOptions(istiod)));
  const pods = WORKERS.flatMap((node): readonly Pod[] => [
    ...(cni === undefined ? [] : [cniPod(node, podOptions(cni))]),
    ...(ztunnel === undefined ? [] : [ztunnelPod(node, podOptions(ztunnel))]),
  ]);
  const stack = new AsyncDisposableStack();
  stack.use(startDaemons(pods, deps));
  if (plugin !== undefined) {
    stack.use(installPlugins(deps, (node) => cniPlugin(plugin, place, { node, searchPath: options.searchPath })));
  }
  return stack;
}

/** As in a cluster, where the plugin stays installed while the agent is away: pods that are to be in the mesh wait for it. */
function installPlugins({ state, kubelets }: ComponentsDeps, pluginOf: (node: string) => CniPlugin): Disposable {
  const agents = new Map(
    WORKERS.map(({ name }) => [objectKey({ namespace: SYSTEM_NAMESPACE, name: cniName(name) }), name]),
  );
  return state.pods.subscribe((changes) => {
    for (const { key, after } of changes) {
      const node = agents.get(key);
      if (node === undefined || after === undefined || !isReady(after)) continue;
      agents.delete(key);
      kubelets.installCniPlugin(node, pluginOf(node));
    }
  });
}

function cniPlugin(
  command: SystemPodOptions["command"],
  place: Place,
  { node, searchPath }: { readonly node: string; readonly searchPath: string },
): CniPlugin {
  const config = {
    type: "istio-cni",
    cni_agent_run_dir: cniRunDirectory(place, node),
    ambient_enabled: true,
    pod_namespace: SYSTEM_NAMESPACE,
    kubernetes: { kubeconfig: place.kubeconfig },
  };
  return { command, config, searchPath };
}
