// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from "node:child_process";
import { isIPv4 } from "node:net";
import { join } from "node:path";
import { abortedError, type Clock } from "@ambientmesh/core";
import type { KubernetesObject, Pod } from "@ambientmesh/api/kubernetes";
import {
  RESOURCES,
  formatLabelSelector,
  labelRequirements,
  objectKey,
  type KubeClient,
  type Resource,
} from "@ambientmesh/kube";
import type { LocalKube } from "@ambientmesh/kube/local";
import { cliErrors } from "../errors.ts";
import type { ClusterState } from "./controllers/cluster-state.ts";
import { isReady } from "./controllers/pods-of-owner.ts";
import type { ForwardTarget } from "./forward/port-forward.ts";
import { unreadyParts } from "./readiness-report.ts";
import type { ExecOptions, ExecResult, LocalMesh, LocalPod, MeshTarget, ObjectReference } from "./mesh.ts";
import { FABRIC, type Fabric } from "./network/fabric.ts";
import type { ProgramPlace, ProgramsInside } from "./programs-inside.ts";
import type { Place } from "./run-directory/place.ts";
import { RUN_VARIABLE } from "./run-directory/record.ts";
import { openPodNetns } from "./network/pod-network.ts";
import { CONTROL_PLANE, WORKERS } from "./topology.ts";

/** What a running mesh consists of, as far as its users reach it. */
export interface MeshParts {
  readonly place: Place;
  readonly runId: string;
  readonly clock: Clock;
  readonly client: KubeClient;
  readonly server: LocalKube;
  readonly state: ClusterState;
  readonly fabric: Fabric;
  readonly programs: ProgramsInside;
  /** Variables of programs in pods and on nodes. */
  readonly environment: Readonly<Record<string, string>>;
  /** Variables of programs on the machine. */
  readonly machineEnvironment: Readonly<Record<string, string | undefined>>;
  /** Process ids of a pod's running containers. */
  readonly pidsOf: (pod: Pod) => readonly number[];
  /** istiod, agents and proxies are part of it. */
  readonly hasComponents: boolean;
  readonly stop: () => Promise<void>;
}

const FIELD_MANAGER = "ambientctl";
const BETWEEN_PROBES_MS = 100;

/** {@link LocalMesh} over the parts of this process. */
export class RunningMesh implements LocalMesh {
  readonly #parts: MeshParts;
  readonly #stopping = new AbortController();

  constructor(parts: MeshParts) {
    this.#parts = parts;
  }

  get runDirectory(): string {
    return this.#parts.place.directory;
  }

  get kubeconfig(): string {
    return this.#parts.place.kubeconfig;
  }

  get scratchFolder(): string {
    return this.#parts.place.scratchFolder;
  }

  get hasComponents(): boolean {
    return this.#parts.hasComponents;
  }

  get nodes(): readonly string[] {
    return WORKERS.map(({ name }) => name);
  }

  async exec(target: MeshTarget, argv: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    using stack = new DisposableStack();
    return await this.#parts.programs.run(argv, this.#placeOf(target, stack), options);
  }

  spawn(target: MeshTarget, argv: readonly string[]): ChildProcess {
    using stack = new DisposableStack();
    return this.#parts.programs.spawn(argv, this.#placeOf(target, stack));
  }

  async pods(namespace: string, labels: Readonly<Record<string, string>> = {}): Promise<readonly LocalPod[]> {
    const labelSelector = formatLabelSelector(labelRequirements({ matchLabels: labels }));
    const pods = await this.#parts.client.list(RESOURCES.Pod, { namespace, labelSelector });
    return pods.map((pod) => localPod(pod, this.#parts.pidsOf(pod)));
  }

  logFile(namespace: string, pod: string, container?: string): string {
    const { place, state } = this.#parts;
    const name = container ?? state.pods.get(objectKey({ namespace, name: pod }))?.spec.containers[0]?.name ?? pod;
    return place.log(namespace, pod, name);
  }

  async apply(object: KubernetesObject & Readonly<Record<string, unknown>>): Promise<void> {
    const options = { fieldManager: FIELD_MANAGER, isForced: true };
    await this.#parts.client.apply(this.#resourceOf(object), object, options);
  }

  async patch(reference: ObjectReference, patch: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#parts.client.mergePatch(this.#resourceOf(reference), reference, patch);
  }

  async get<T extends KubernetesObject>(reference: ObjectReference): Promise<T | undefined> {
    return this.#parts.client.find(this.#resourceOf(reference) as Resource<T>, reference);
  }

  async delete(reference: ObjectReference): Promise<void> {
    await this.#parts.client.delete(this.#resourceOf(reference), reference);
  }

  async waitFor<T>(what: string, timeoutMs: number, probe: () => Promise<T | undefined>): Promise<T> {
    const { clock } = this.#parts;
    const { signal } = this.#stopping;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    for (;;) {
      const found = await probe();
      if (signal.aborted) throw abortedError(signal, `waiting for ${what}`);
      if (found !== undefined) return found;
      if (clock.monotonicMs() >= deadlineMs) {
        throw cliErrors.create("CLI_WAIT_TIMEOUT", `waited ${timeoutMs / 1000} s for ${what}, in vain`);
      }
      await clock.sleep(BETWEEN_PROBES_MS, signal);
    }
  }

  /** What is not ready, each with the reason as far as it is known; empty when everything is. */
  async unready(): Promise<readonly string[]> {
    const { client } = this.#parts;
    return unreadyParts(await client.list(RESOURCES.Deployment), await client.list(RESOURCES.Pod));
  }

  /** A service as it is seen from the control plane's node; undefined if it has no address. */
  serviceTarget(namespace: string, name: string, port: number): ForwardTarget | undefined {
    const { state, fabric } = this.#parts;
    const host = state.services.get(objectKey({ namespace, name }))?.spec.clusterIP ?? "";
    const netns = fabric.nodes.get(CONTROL_PLANE.name);
    return netns === undefined || !isIPv4(host) ? undefined : { netns, host, port };
  }

  /** A port of a node's own loopback. */
  loopbackTarget(node: string, port: number): ForwardTarget | undefined {
    const netns = this.#parts.fabric.nodes.get(node);
    return netns && { netns, host: "127.0.0.1", port };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    return this.#parts.stop();
  }

  /** The stack gets what has to be closed once the program was started. */
  #placeOf(target: MeshTarget, stack: DisposableStack): ProgramPlace {
    const { place, fabric, runId } = this.#parts;
    const env = { ...this.#parts.environment, [RUN_VARIABLE]: runId };
    switch (target.kind) {
      case "host":
        return { env: { ...this.#parts.machineEnvironment, [RUN_VARIABLE]: runId } };
      case "fabric":
        return { netns: fabric.fabric, env };
      case "node": {
        const netns = fabric.nodes.get(target.name);
        if (netns === undefined) throw notThere(`node ${target.name}`, fabric);
        return { netns, resolver: nodeResolver(place, target.name), env };
      }
      case "pod":
        return this.#podPlace(target, stack, env);
    }
  }

  #podPlace(
    { namespace, name }: MeshTarget & { readonly kind: "pod" },
    stack: DisposableStack,
    env: ProgramPlace["env"],
  ): ProgramPlace {
    const { place, state } = this.#parts;
    const key = objectKey({ namespace, name });
    const pod = state.pods.get(key);
    const node = pod?.spec.nodeName;
    if (pod === undefined || node === undefined) {
      throw cliErrors.create("CLI_TARGET_NOT_FOUND", `there is no pod ${key} on any node`);
    }
    if (pod.spec.hostNetwork === true) return this.#placeOf({ kind: "node", name: node }, stack);
    const { uid = "" } = pod.metadata;
    return { netns: stack.use(openPodNetns(uid, place)), resolver: join(place.pod(node, uid), "resolv.conf"), env };
  }

  #resourceOf({ apiVersion, kind }: Pick<ObjectReference, "apiVersion" | "kind">): Resource {
    const definition = this.#parts.server.objects.kindOf({ apiVersion, kind })?.definition;
    if (definition === undefined) {
      throw cliErrors.create("CLI_ARGUMENT_INVALID", `the API server has no kind ${kind} in ${apiVersion}`);
    }
    return { apiVersion, kind, plural: definition.plural, isNamespaced: definition.isNamespaced };
  }
}

/** A pod as the API shows it. */
export function localPod(pod: Pod, pids: readonly number[]): LocalPod {
  const { name, namespace = "", uid = "", annotations = {} } = pod.metadata;
  const statuses = pod.status?.containerStatuses ?? [];
  return {
    namespace,
    name,
    uid,
    node: pod.spec.nodeName ?? "",
    ip: pod.status?.podIP ?? "",
    isReady: isReady(pod),
    annotations,
    pids,
    restarts: statuses.reduce((sum, { restartCount }) => sum + restartCount, 0),
  };
}

/** The file that replaces /etc/resolv.conf for programs on a node. */
export function nodeResolver(place: Place, node: string): string {
  return join(place.node(node), "resolv.conf");
}

function notThere(what: string, { nodes }: Fabric): Error {
  const known = [...nodes.keys(), FABRIC].join(", ");
  return cliErrors.create("CLI_TARGET_NOT_FOUND", `there is no ${what}; there are ${known}`);
}
