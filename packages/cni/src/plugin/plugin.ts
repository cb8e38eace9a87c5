// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { messageOf } from "@ambientmesh/core";
import { cniErrors } from "../errors.ts";
import { postToAgent } from "./agent-client.ts";
import { parseConfig, readCall, type CniCall, type CniConfig, type CniPod } from "./cni-input.ts";
import { SUPPORTED_VERSIONS, failure, success, type CniOutput } from "./cni-output.ts";
import { addressesOf } from "./pod-addresses.ts";

/** What a plugin is called with. */
export interface PluginInput {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: string;
}

const NEWEST_VERSION = "1.1.0";
const AGENT_SOCKET = "pluginevent.sock";
/** Name of the agent's DaemonSet: its pods must start without it. */
const AGENT_POD_PREFIX = "istio-cni-node";

/**
 * A chained CNI plugin (specification 1.1.0). It changes nothing itself: the agent on the node does, or the pod does not
 * start if it belongs into the mesh. Never rejects.
 */
export async function runPlugin({ env, stdin }: PluginInput): Promise<CniOutput> {
  let cniVersion = NEWEST_VERSION;
  try {
    const call = readCall(env);
    const config = parseConfig(stdin);
    ({ cniVersion } = config);
    return await carryOut(call, config);
  } catch (error) {
    return failure(error, cniVersion);
  }
}

async function carryOut(call: CniCall, config: CniConfig): Promise<CniOutput> {
  const { cniVersion } = config;
  switch (call.command) {
    case "VERSION":
      return success({ cniVersion, supportedVersions: SUPPORTED_VERSIONS });
    case "ADD":
      checkVersion(cniVersion);
      await add(call, config);
      return success(config.prevResult ?? { cniVersion });
    case "DEL":
      await remove(call, config);
      return success();
    // There is nothing here that could be missing (CHECK), left over (GC), or keep pods outside the mesh from starting (STATUS).
    case "CHECK":
    case "GC":
    case "STATUS":
      return success();
    default:
      throw cniErrors.create("CNI_PLUGIN_ENVIRONMENT_INVALID", `there is no CNI_COMMAND "${call.command}"`);
  }
}

async function add(call: CniCall, config: CniConfig): Promise<void> {
  const { pod, netns, containerId } = call;
  if (!pod || isLetThrough(pod, config)) return;
  if (netns === "") throw cniErrors.create("CNI_PLUGIN_ENVIRONMENT_INVALID", "CNI_NETNS is not set");
  const answer = await postToAgent(socketOf(config), "/cmdadd", {
    Netns: netns,
    PodName: pod.name,
    PodNamespace: pod.namespace,
    IPs: addressesOf(config.prevResult),
    PodUID: pod.uid ?? "",
    SandboxID: containerId,
  });
  if (answer.kind === "unreachable") return checkWithoutAgent(config, pod, answer.reason);
  if (answer.status !== 200) {
    const text = answer.text || `it answered with status ${answer.status}`;
    throw cniErrors.create(
      "CNI_AGENT_REFUSED",
      `the agent did not let pod ${pod.namespace}/${pod.name} start: ${text}`,
    );
  }
}

/** The runtime takes the sandbox down in any case, and the agent hears of the pod's end from the API server as well. */
async function remove({ pod, containerId }: CniCall, config: CniConfig): Promise<void> {
  if (!pod || containerId === "" || isLetThrough(pod, config)) return;
  await postToAgent(socketOf(config), "/cmddel", {
    PodName: pod.name,
    PodNamespace: pod.namespace,
    PodUID: pod.uid ?? "",
    SandboxID: containerId,
  });
}

function isLetThrough({ namespace, name }: CniPod, config: CniConfig): boolean {
  if (!config.isAmbientEnabled || config.excludedNamespaces.includes(namespace)) return true;
  return namespace === config.agentNamespace && name.startsWith(AGENT_POD_PREFIX);
}

/** Pods of the mesh wait for the agent, others don't need it. */
async function checkWithoutAgent(config: CniConfig, pod: CniPod, reason: string): Promise<void> {
  const unreachable = (why: string): Error =>
    cniErrors.create(
      "CNI_AGENT_UNREACHABLE",
      `the agent at ${socketOf(config)} does not answer (${reason}), and pod ${pod.namespace}/${pod.name} ${why}`,
      { retryable: true },
    );
  const { belongsIntoMesh } = await import("./direct-check.ts");
  let isOfMesh: boolean;
  try {
    isOfMesh = await belongsIntoMesh(config, pod);
  } catch (error) {
    throw unreachable(`may belong into the mesh: ${messageOf(error)}`);
  }
  if (isOfMesh) throw unreachable("belongs into the mesh");
}

function socketOf({ agentRunDirectory }: CniConfig): string {
  return join(agentRunDirectory, AGENT_SOCKET);
}

function checkVersion(version: string): void {
  if (SUPPORTED_VERSIONS.includes(version)) return;
  throw cniErrors.create(
    "CNI_PLUGIN_VERSION_UNSUPPORTED",
    `the network configuration is of version ${version}; spoken are ${SUPPORTED_VERSIONS.join(", ")}`,
  );
}
