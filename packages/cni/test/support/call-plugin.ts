// SPDX-License-Identifier: Apache-2.0
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";
import { runProgram } from "@ambientmesh/linux";

const PLUGIN = fileURLToPath(new URL("../../src/plugin/main.ts", import.meta.url));

export interface PluginCall {
  readonly command: string;
  readonly containerId?: string;
  readonly netns?: string;
  readonly args?: string;
  /** Written as JSON, or as it is. */
  readonly config: object | string;
}

export interface PluginResult {
  readonly exitCode: number | null;
  /** Undefined if nothing was written. */
  readonly output: unknown;
  readonly stderr: string;
}

/** Runs the plugin as a container runtime does: a program with an environment and standard input, nothing else. */
export async function callPlugin({ command, containerId, netns, args, config }: PluginCall): Promise<PluginResult> {
  const env = {
    CNI_COMMAND: command,
    CNI_IFNAME: "eth0",
    CNI_PATH: "/opt/cni/bin",
    CNI_CONTAINERID: containerId ?? "sandbox-1",
    ...(netns !== undefined && { CNI_NETNS: netns }),
    ...(args !== undefined && { CNI_ARGS: args }),
  };
  const stdin = typeof config === "string" ? config : JSON.stringify(config);
  const program = [execPath, "--conditions=@ambientmesh/source", PLUGIN] as const;
  const { exitCode, stdout, stderr } = await runProgram([...program], { env, stdin });
  return { exitCode, output: stdout === "" ? undefined : JSON.parse(stdout), stderr };
}

/** CNI_ARGS as containerd writes them. */
export function podArgs(namespace: string, name: string, uid?: string): string {
  const parts = ["IgnoreUnknown=1", `K8S_POD_NAMESPACE=${namespace}`, `K8S_POD_NAME=${name}`];
  return [...parts, ...(uid === undefined ? [] : [`K8S_POD_UID=${uid}`])].join(";");
}
