// SPDX-License-Identifier: Apache-2.0
import { KEYS } from "@ambientmesh/api";
import type { Pod } from "@ambientmesh/api/kubernetes";
import { RESOURCES } from "@ambientmesh/kube";
import type { CliConfig } from "../config.ts";
import { connectToMesh, requireMesh } from "../local/find-mesh.ts";
import { pidOfContainerId } from "../local/kubelet/pod-status.ts";
import { podProblem } from "../local/readiness-report.ts";
import { localPod } from "../local/running-mesh.ts";
import { table } from "./terminal.ts";

/** What `local status` shows, and prints with `-o json`. */
export interface MeshStatus {
  readonly name: string;
  readonly supervisor: number;
  readonly folder: string;
  readonly runDirectory: string;
  readonly kubeconfig: string;
  readonly nodes: readonly { readonly name: string; readonly address: string }[];
  readonly pods: readonly PodLine[];
}

interface PodLine {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly ip: string;
  readonly isReady: boolean;
  readonly restarts: number;
  readonly pids: readonly number[];
  readonly isInMesh: boolean;
  /** Why it is not ready; empty if it is. */
  readonly problem: string;
}

/** Nodes, pods, addresses and processes of a running mesh. @throws MeshError CLI_MESH_NOT_RUNNING */
export async function readStatus(config: CliConfig, name: string): Promise<MeshStatus> {
  const found = requireMesh(config, name);
  using client = await connectToMesh(found);
  const [nodes, pods] = [await client.list(RESOURCES.Node), await client.list(RESOURCES.Pod)];
  const { place, record } = found;
  return {
    name,
    supervisor: record.supervisor.pid,
    folder: record.folder,
    runDirectory: place.directory,
    kubeconfig: place.kubeconfig,
    nodes: nodes.map(({ metadata, status }) => ({
      name: metadata.name,
      address: status?.addresses?.find(({ type }) => type === "InternalIP")?.address ?? "",
    })),
    pods: pods.map((pod) => podLine(pod)),
  };
}

function podLine(pod: Pod): PodLine {
  const statuses = pod.status?.containerStatuses ?? [];
  const pids = statuses.flatMap(({ containerID }) => pidOfContainerId(containerID) ?? []);
  const { namespace, name, node, ip, isReady, restarts, annotations } = localPod(pod, pids);
  const isInMesh = annotations[KEYS.REDIRECTION] === "enabled";
  return { namespace, name, node, ip, isReady, restarts, pids, isInMesh, problem: isReady ? "" : podProblem(pod) };
}

/** A status for people. */
export function formatStatus({ name, supervisor, folder, kubeconfig, nodes, pods }: MeshStatus): string {
  const rows = pods.map((pod) => [
    pod.namespace,
    pod.name,
    pod.node,
    pod.ip,
    pod.isReady ? "yes" : "no",
    String(pod.restarts),
    pod.pids.join(","),
    pod.isInMesh ? "yes" : "no",
    pod.problem,
  ]);
  const header = ["NAMESPACE", "POD", "NODE", "ADDRESS", "READY", "RESTARTS", "PID", "IN MESH", ""];
  return [
    `mesh ${name} of ${folder}, process ${supervisor}`,
    `kubeconfig ${kubeconfig}`,
    `nodes ${nodes.map((node) => `${node.name} ${node.address}`).join(", ")}`,
    "",
    table(header, rows),
  ].join("\n");
}
