// SPDX-License-Identifier: Apache-2.0
import { messageOf } from "@ambientmesh/core";
import type { Pod } from "@ambientmesh/api/kubernetes";
import { runProgram } from "@ambientmesh/linux";
import { cliErrors } from "../../errors.ts";
import { POD_GATEWAY } from "../topology.ts";

/** How the mesh's CNI plugin is called on a node. */
export interface CniPlugin {
  readonly command: readonly [string, ...string[]];
  /** The plugin's own part of the network configuration. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly searchPath: string;
}

/** A pod's network as the plugins before have made it. */
export interface CniAttachment {
  readonly pod: Pod;
  /** Path of the pod's network namespace. */
  readonly netns: string;
  readonly ip: string;
}

const VERSION = "1.0.0";
const INTERFACE = "eth0";

/**
 * Calls the mesh's plugin for a pod as the last one of a chain, as containerd does (CNI specification 1.0): ADD for a new
 * pod, DEL for one that goes, also when its ADD has failed.
 * @throws MeshError CLI_POD_FAILED with what the plugin said
 */
export async function callPlugin(
  command: "ADD" | "DEL",
  plugin: CniPlugin,
  attachment: CniAttachment,
  signal?: AbortSignal,
): Promise<void> {
  const { exitCode, stdout, stderr } = await runProgram(plugin.command, {
    env: { ...environment(plugin, attachment), CNI_COMMAND: command },
    stdin: JSON.stringify({
      ...plugin.config,
      cniVersion: VERSION,
      name: "ambient-local",
      prevResult: result(attachment),
    }),
    signal,
  });
  if (exitCode === 0) return;
  const said = errorText(stdout) ?? stderr.trim();
  throw cliErrors.create("CLI_POD_FAILED", `the CNI plugin failed with ${command}: ${said || `exit code ${exitCode}`}`);
}

function environment({ searchPath }: CniPlugin, { pod, netns }: CniAttachment): Readonly<Record<string, string>> {
  const { name, namespace = "", uid = "" } = pod.metadata;
  const args = {
    IgnoreUnknown: "1",
    K8S_POD_NAMESPACE: namespace,
    K8S_POD_NAME: name,
    K8S_POD_INFRA_CONTAINER_ID: uid,
    K8S_POD_UID: uid,
  };
  return {
    PATH: searchPath,
    CNI_CONTAINERID: uid,
    CNI_NETNS: netns,
    CNI_IFNAME: INTERFACE,
    CNI_ARGS: Object.entries(args)
      .map(([key, value]) => `${key}=${value}`)
      .join(";"),
    CNI_PATH: "/opt/cni/bin",
  };
}

function result({ netns, ip }: CniAttachment): object {
  return {
    cniVersion: VERSION,
    interfaces: [{ name: INTERFACE, sandbox: netns }],
    ips: [{ address: `${ip}/32`, gateway: POD_GATEWAY, interface: 0 }],
    routes: [{ dst: "0.0.0.0/0", gw: POD_GATEWAY }],
    dns: {},
  };
}

/** CNI errors are JSON on standard output. */
function errorText(stdout: string): string | undefined {
  try {
    const { msg, details } = JSON.parse(stdout) as { readonly msg?: string; readonly details?: string };
    return [msg, details].filter((part) => part !== undefined && part !== "").join(": ") || undefined;
  } catch (error) {
    const text = stdout.trim();
    return text === "" ? undefined : `${text} (${messageOf(error)})`;
  }
}
