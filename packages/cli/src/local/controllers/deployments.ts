// SPDX-License-Identifier: Apache-2.0
import type { Deployment, ReplicaSet } from "@ambientmesh/api/kubernetes";
import { RESOURCES, objectKey, parseObjectKey, type KubeClient } from "@ambientmesh/kube";
import type { ControllerDeps } from "./cluster-state.ts";
import { HASH_LABEL, controlledBy, isOwnedBy, templateHash } from "./pods-of-owner.ts";
import { Reconciler } from "./reconciler.ts";
import { replicaSetOf } from "./replica-sets.ts";
import { nextStep, type Generation } from "./rollout.ts";

/** Keeps one ReplicaSet for each Deployment's template, and moves pods from the old ones to it. */
export function startDeployments(deps: ControllerDeps): AsyncDisposable {
  const { client, state } = deps;
  const rollouts = new Rollouts(client);
  const reconciler = new Reconciler(
    { name: "deployments", reconcile: (key, signal) => rollouts.advance(key, signal) },
    deps,
  );
  const addOwnerOf = (setKey: string | undefined): void => {
    const set = setKey === undefined ? undefined : state.replicaSets.get(setKey);
    const owner = set?.metadata.ownerReferences?.find(({ kind }) => kind === "Deployment");
    if (owner !== undefined) reconciler.add(objectKey({ name: owner.name, namespace: set?.metadata.namespace }));
  };
  const stack = new AsyncDisposableStack();
  stack.use(reconciler);
  stack.use(
    state.deployments.subscribe((changes) => {
      for (const { key, after } of changes) if (after !== undefined) reconciler.add(key);
    }),
  );
  stack.use(
    state.replicaSets.subscribe((changes) => {
      for (const { key } of changes) addOwnerOf(key);
    }),
  );
  stack.use(
    state.pods.subscribe((changes) => {
      for (const { before, after } of changes) addOwnerOf(replicaSetOf(after ?? before));
    }),
  );
  return stack;
}

/** Takes Deployments one step further. Everything is read from the server, which has what was written a moment ago. */
class Rollouts {
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  async advance(key: string, signal: AbortSignal): Promise<void> {
    const ref = parseObjectKey(key);
    const deployment = await this.#client.find(RESOURCES.Deployment, ref, { signal });
    if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return;
    const all = await this.#client.list(RESOURCES.ReplicaSet, { namespace: ref.namespace, signal });
    const own = all.filter((set) => isOwnedBy(set, deployment.metadata.uid));
    const hash = templateHash(deployment.spec.template);
    const name = `${deployment.metadata.name}-${hash}`;
    const known = own.find(({ metadata }) => metadata.name === name);
    const current = known ?? (await this.#createReplicaSet(deployment, { name, hash }, signal));
    const old = own.filter((set) => set !== known);
    const [currentGeneration, ...oldGenerations] = await this.#generationsOf([current, ...old], signal);
    if (currentGeneration === undefined) return;
    const { replicas: desired = 1, strategy } = deployment.spec;
    const step = nextStep({ desired, strategy, current: currentGeneration, old: oldGenerations });
    for (const set of [current, ...old]) await this.#scale(set, step.get(set.metadata.name) ?? 0, signal);
    for (const { name: done, replicas, pods } of oldGenerations) {
      if (replicas === 0 && pods === 0)
        await this.#client.delete(RESOURCES.ReplicaSet, { ...ref, name: done }, { signal });
    }
    await this.#writeStatus(deployment, [currentGeneration, ...oldGenerations], signal);
  }

  async #createReplicaSet(
    deployment: Deployment,
    { name, hash }: { readonly name: string; readonly hash: string },
    signal: AbortSignal,
  ): Promise<ReplicaSet> {
    const { selector, template } = deployment.spec;
    const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
    const { namespace = "" } = deployment.metadata;
    const spec = {
      replicas: 0,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    };
    const metadata = { name, namespace, labels, ownerReferences: [controlledBy(deployment)] };
    return this.#client.create(RESOURCES.ReplicaSet, { metadata, spec }, { signal });
  }

  async #generationsOf(sets: readonly ReplicaSet[], signal: AbortSignal): Promise<readonly Generation[]> {
    const namespace = sets[0]?.metadata.namespace;
    const pods = await this.#client.list(RESOURCES.Pod, { namespace, signal });
    return sets.map((set) => ({
      name: set.metadata.name,
      replicas: set.spec.replicas ?? 1,
      available: set.status?.availableReplicas ?? 0,
      pods: pods.filter((pod) => isOwnedBy(pod, set.metadata.uid)).length,
    }));
  }

  async #scale({ metadata, spec }: ReplicaSet, replicas: number, signal: AbortSignal): Promise<void> {
    if (spec.replicas === replicas) return;
    await this.#client.mergePatch(RESOURCES.ReplicaSet, metadata, { spec: { replicas } }, { signal });
  }

  async #writeStatus(
    { metadata, spec }: Deployment,
    generations: readonly Generation[],
    signal: AbortSignal,
  ): Promise<void> {
    const available = generations.reduce((sum, generation) => sum + generation.available, 0);
    const status = {
      observedGeneration: metadata.generation ?? 0,
      replicas: generations.reduce((sum, { pods }) => sum + pods, 0),
      updatedReplicas: generations[0]?.pods ?? 0,
      readyReplicas: available,
      availableReplicas: available,
      unavailableReplicas: Math.max((spec.replicas ?? 1) - available, 0),
    };
    await this.#client.mergePatch(RESOURCES.Deployment, metadata, { status }, { subresource: "status", signal });
  }
}
