// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { abortedError, type Clock, type Logger } from "@ambientmesh/core";
import type { ConfigMap, Container, Pod } from "@ambientmesh/api/kubernetes";
import type { KubeClient, Store } from "@ambientmesh/kube";
import type { BindMount, NetnsRef } from "@ambientmesh/linux";
import type { AddressPool } from "../network/address-pool.ts";
import { callPlugin, type CniAttachment, type CniPlugin } from "../network/cni-plugin.ts";
import type { PluginRegistry } from "../network/plugin-registry.ts";
import { createPodNetwork } from "../network/pod-network.ts";
import { resolvConf } from "../network/resolv-conf.ts";
import type { Place } from "../run-directory/place.ts";
import { RUN_VARIABLE, type RecordKeeper } from "../run-directory/record.ts";
import type { NodeSpec } from "../topology.ts";
import type { PodCgroups } from "./cgroups.ts";
import { startContainerProcess } from "./container-process.ts";
import type { ContainerStarter } from "./container-runner.ts";
import { commandOf } from "./environment.ts";
import type { PodFacts } from "./field-paths.ts";
import type { Sandbox } from "./pod-worker.ts";
import { PodVolumes } from "./pod-volumes.ts";
import { probeOnce, servesDeclaredPorts } from "./readiness.ts";

/** What the sandboxes of a node stand on. */
export interface NodeSandboxDeps {
  readonly client: KubeClient;
  readonly configMaps: Store<ConfigMap>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly place: Place;
  readonly keeper: RecordKeeper;
  readonly node: NodeSpec;
  /** The node's namespace. */
  readonly netns: NetnsRef;
  readonly addresses: AddressPool;
  readonly cgroups: PodCgroups | undefined;
  readonly plugins: PluginRegistry;
  /** Working directory of programs: where the YAML is. */
  readonly folder: string;
  /** Variables that every program gets. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Pods with this annotation run their programs in their own directory, where their volumes are. */
export const OWN_DIRECTORY = "local.ambientmesh.io/own-directory";

const CGROUP_TRIES = 20;
const CGROUP_RETRY_MS = 25;
const RESOLVER_FILE = "/etc/resolv.conf";

/** Makes the surroundings of a pod: network, volumes, control group. What was made is removed again when a part fails. */
export async function createNodeSandbox(pod: Pod, deps: NodeSandboxDeps, signal: AbortSignal): Promise<Sandbox> {
  const { place, node, cgroups, clock } = deps;
  const uid = pod.metadata.uid ?? "";
  const directory = place.pod(node.name, uid);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (cgroups !== undefined) stack.defer(() => removeCgroups(cgroups, uid, clock));
  const network = await connect(stack, pod, { deps, signal });
  const facts: PodFacts = { pod, podIp: network.ip, hostIp: node.address };
  const volumes = stack.use(new PodVolumes(facts, directory, deps));
  await volumes.start(signal);
  const mounts = resolverMount(pod, directory);
  const owned = stack.move();
  return {
    podIp: network.ip,
    starterFor: (container) => starterFor(container, { deps, facts, netns: network.netns, directory, mounts }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function connect(
  stack: AsyncDisposableStack,
  pod: Pod,
  { deps, signal }: { readonly deps: NodeSandboxDeps; readonly signal: AbortSignal },
): Promise<{ readonly netns: NetnsRef; readonly ip: string }> {
  if (pod.spec.hostNetwork === true) return { netns: deps.netns, ip: deps.node.address };
  const plugin = await deps.plugins.pluginOf(deps.node.name, signal);
  if (signal.aborted) throw abortedError(signal, "the start of a pod");
  const network = stack.use(await createPodNetwork(pod.metadata.uid ?? "", deps));
  if (plugin === undefined) return network;
  const attachment = { pod, netns: network.path, ip: network.ip };
  stack.defer(() => leave(plugin, attachment, deps));
  await callPlugin("ADD", plugin, attachment, signal);
  return network;
}

/** The pod goes in any case; agents hear of it from the API server too. */
async function leave(
  plugin: CniPlugin,
  attachment: CniAttachment,
  { plugins, logger }: NodeSandboxDeps,
): Promise<void> {
  if (plugins.isClosed) return;
  await callPlugin("DEL", plugin, attachment).catch((error: unknown) => {
    logger.warn("the CNI plugin was not told of a pod's end", { pod: attachment.pod.metadata.name, error });
  });
}

/** Programs of the pod see a /etc/resolv.conf of its own. */
function resolverMount({ metadata, spec }: Pod, directory: string): readonly BindMount[] {
  const isHostsOwn =
    spec.dnsPolicy === "Default" || (spec.hostNetwork === true && spec.dnsPolicy !== "ClusterFirstWithHostNet");
  if (isHostsOwn) return [];
  const source = join(directory, "resolv.conf");
  writeFileSync(source, resolvConf(metadata.namespace));
  return [{ source, target: RESOLVER_FILE }];
}

interface StarterParts {
  readonly deps: NodeSandboxDeps;
  readonly facts: PodFacts;
  readonly netns: NetnsRef;
  readonly directory: string;
  readonly mounts: readonly BindMount[];
}

function starterFor(container: Container, { deps, facts, netns, directory, mounts }: StarterParts): ContainerStarter {
  const { place, keeper, cgroups, clock } = deps;
  const { name, namespace = "", uid = "", annotations } = facts.pod.metadata;
  const home = annotations?.[OWN_DIRECTORY] === "true" ? directory : deps.folder;
  const cwd = resolve(home, container.workingDir ?? ".");
  const base = { ...deps.environment, HOSTNAME: facts.pod.spec.hostname ?? name, [RUN_VARIABLE]: keeper.current.runId };
  return {
    start: () =>
      startContainerProcess(
        commandOf(container, facts, base),
        {
          netns,
          cwd,
          mounts,
          cgroups: cgroups === undefined ? [] : [cgroups.container(uid, container.name)],
          log: place.log(namespace, name, container.name),
        },
        keeper,
      ),
    probe: async ({ pid }, signal) =>
      container.readinessProbe === undefined
        ? servesDeclaredPorts(container, pid)
        : probeOnce(container.readinessProbe, container, { netns, host: facts.podIp, clock }, signal),
  };
}

async function removeCgroups(cgroups: PodCgroups, uid: string, clock: Clock): Promise<void> {
  for (let tries = 0; tries < CGROUP_TRIES && !cgroups.remove(uid); tries++) await clock.sleep(CGROUP_RETRY_MS);
}
