// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from "node:child_process";
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";

/** Something with a network namespace of its own. */
export type MeshTarget =
  | { readonly kind: "pod"; readonly namespace: string; readonly name: string }
  | { readonly kind: "node"; readonly name: string }
  /** The network between the nodes; captures run here. */
  | { readonly kind: "fabric" }
  /** The machine itself, outside of the mesh. */
  | { readonly kind: "host" };

/** How a finished program ended. */
export interface ExecResult {
  /** Exit code, or 128 + signal number. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ExecOptions {
  /** The program is killed after this time; the result's code is then 124. Default 30 s. */
  readonly timeoutMs?: number;
  readonly input?: string;
}

/** A pod as the mesh's Kubernetes API shows it, reduced to what people ask for. */
export interface LocalPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  readonly ip: string;
  readonly isReady: boolean;
  readonly annotations: Readonly<Record<string, string>>;
  /** Process ids of the running containers, in the pod's order. */
  readonly pids: readonly number[];
  readonly restarts: number;
}

/** A running mesh on this machine. Disposing it stops everything and leaves nothing behind. */
export interface LocalMesh extends AsyncDisposable {
  readonly runDirectory: string;
  readonly kubeconfig: string;
  /** A folder of YAML like the one the mesh was started with: what is saved here takes effect at once. */
  readonly scratchFolder: string;
  /** Names of the nodes that carry pods. */
  readonly nodes: readonly string[];

  /** Runs a program to its end where `target` is, with that pod's or node's view of network and DNS. */
  exec(target: MeshTarget, argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** Starts a program there; the caller ends it, and disposing the mesh ends it at the latest. */
  spawn(target: MeshTarget, argv: readonly string[]): ChildProcess;

  /** Pods of a namespace, optionally by label. */
  pods(namespace: string, labels?: Readonly<Record<string, string>>): Promise<readonly LocalPod[]>;
  /** File with standard output and error of a pod's container (its first one by default). */
  logFile(namespace: string, pod: string, container?: string): string;

  /** Creates or replaces objects with server-side apply, as `kubectl apply --server-side` would. */
  apply(object: KubernetesObject & Readonly<Record<string, unknown>>): Promise<void>;
  /** Merge patch, as `kubectl patch --type merge` (and `kubectl label`) would. */
  patch(reference: ObjectReference, patch: Readonly<Record<string, unknown>>): Promise<void>;
  get<T extends KubernetesObject>(reference: ObjectReference): Promise<T | undefined>;
  delete(reference: ObjectReference): Promise<void>;

  /**
   * Resolves with the first result of `probe` that is not undefined, asking every 100 ms. What `probe` throws ends it.
   * @throws MeshError CLI_WAIT_TIMEOUT naming `what`, ABORTED when the mesh is stopped meanwhile.
   */
  waitFor<T>(what: string, timeoutMs: number, probe: () => Promise<T | undefined>): Promise<T>;
}

/** An object of the API by its coordinates. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}
