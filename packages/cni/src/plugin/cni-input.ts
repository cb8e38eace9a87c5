// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { messageOf } from "@ambientmesh/core";
import { cniErrors } from "../errors.ts";

/** What a container runtime tells a plugin beside the configuration (CNI specification 1.1.0, section 2). */
export interface CniCall {
  readonly command: string;
  readonly containerId: string;
  readonly netns: string;
  /** The pod; undefined if it is no Kubernetes pod that the sandbox is for. */
  readonly pod: CniPod | undefined;
}

export interface CniPod {
  readonly namespace: string;
  readonly name: string;
  /** Not every runtime tells. */
  readonly uid: string | undefined;
}

/** The fields of a network configuration that the plugin reads; named as in Istio's. */
export interface CniConfig {
  readonly cniVersion: string;
  readonly prevResult: Readonly<Record<string, unknown>> | undefined;
  readonly isAmbientEnabled: boolean;
  /** Where the agent's socket is. */
  readonly agentRunDirectory: string;
  readonly excludedNamespaces: readonly string[];
  /** Of the agent itself. */
  readonly agentNamespace: string;
  /** As in the agent's AMBIENT_ENABLEMENT_SELECTOR; undefined: its default. */
  readonly enablementSelectors: readonly object[] | undefined;
  /** For when the agent does not answer. Default: where Istio's agent writes it. */
  readonly kubeconfig: string;
}

const KUBECONFIG = "istio-cni-kubeconfig";

type Environment = Readonly<Record<string, string | undefined>>;
type Fields = Readonly<Record<string, unknown>>;

/** @throws MeshError CNI_PLUGIN_ENVIRONMENT_INVALID */
export function readCall(env: Environment): CniCall {
  const command = env["CNI_COMMAND"] ?? "";
  if (command === "") throw cniErrors.create("CNI_PLUGIN_ENVIRONMENT_INVALID", "CNI_COMMAND is not set");
  return {
    command,
    containerId: env["CNI_CONTAINERID"] ?? "",
    netns: env["CNI_NETNS"] ?? "",
    pod: podOf(env["CNI_ARGS"] ?? ""),
  };
}

/** `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart;…` */
function podOf(args: string): CniPod | undefined {
  const values = new Map(
    args.split(";").map((pair): [string, string] => {
      const [key = "", ...value] = pair.split("=");
      return [key.trim(), value.join("=")];
    }),
  );
  const namespace = values.get("K8S_POD_NAMESPACE") ?? "";
  const name = values.get("K8S_POD_NAME") ?? "";
  return namespace === "" || name === "" ? undefined : { namespace, name, uid: values.get("K8S_POD_UID") || undefined };
}

/** @throws MeshError CNI_PLUGIN_INPUT_UNREADABLE, CNI_PLUGIN_CONFIG_INVALID */
export function parseConfig(stdin: string): CniConfig {
  const fields = parseObject(stdin);
  const { kubernetes = {}, prevResult } = fields;
  const agentRunDirectory = text(fields, "cni_agent_run_dir") ?? "/var/run/istio-cni";
  return {
    cniVersion: text(fields, "cniVersion") ?? "0.2.0",
    prevResult: prevResult === undefined || prevResult === null ? undefined : object("prevResult", prevResult),
    isAmbientEnabled: fields["ambient_enabled"] !== false,
    agentRunDirectory,
    excludedNamespaces: list(fields, "exclude_namespaces", isText) ?? [],
    agentNamespace: text(fields, "pod_namespace") ?? "istio-system",
    enablementSelectors: list(fields, "enablement_selectors", isObject),
    kubeconfig: text(object("kubernetes", kubernetes), "kubeconfig") ?? join(agentRunDirectory, KUBECONFIG),
  };
}

function parseObject(stdin: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(stdin);
  } catch (error) {
    throw cniErrors.create("CNI_PLUGIN_INPUT_UNREADABLE", `the network configuration is no JSON: ${messageOf(error)}`);
  }
  return object("the network configuration", value);
}

const isText = (value: unknown): value is string => typeof value === "string";
const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function object(name: string, value: unknown): Fields {
  if (isObject(value)) return value as Fields;
  throw invalid(`${name} is no object`);
}

function text(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === "") return undefined;
  if (isText(value)) return value;
  throw invalid(`${name} is no text`);
}

function list<T>(fields: Fields, name: string, isItem: (value: unknown) => value is T): readonly T[] | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value) && value.every(isItem)) return value;
  throw invalid(`${name} is no list, or has an item of the wrong type`);
}

function invalid(problem: string): Error {
  return cniErrors.create("CNI_PLUGIN_CONFIG_INVALID", problem);
}
