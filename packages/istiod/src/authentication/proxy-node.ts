// SPDX-License-Identifier: Apache-2.0
import type { JsonObject } from "@bufbuild/protobuf";

/** Kinds of xDS clients by the first word of their node id (Istio 1.31). */
const NODE_TYPES = ["sidecar", "router", "waypoint", "ztunnel", "agentgateway"] as const;
export type NodeType = (typeof NODE_TYPES)[number];

/** What an xDS client says about itself; claims until they are compared with its credentials. */
export interface ProxyNode {
  readonly type: NodeType;
  readonly namespace: string;
  /** Absent if the client doesn't claim one. */
  readonly serviceAccount: string | undefined;
  /** Node of Kubernetes; empty if it doesn't say. */
  readonly nodeName: string;
}

/** A client's node, or what is wrong with it. */
export type ProxyNodeReading =
  | { readonly kind: "node"; readonly node: ProxyNode }
  | { readonly kind: "invalid"; readonly problem: string };

const MAX_ID = 1024;

/** Reads `type~address~pod.namespace~domain` with the metadata beside it, which wins for the namespace. */
export function readProxyNode(id: string, metadata: JsonObject = {}): ProxyNodeReading {
  if (id === "") return invalid("the first request names no node id");
  const parts = id.split("~");
  const [typeName, , , domain = ""] = parts;
  const type = NODE_TYPES.find((candidate) => candidate === typeName);
  if (id.length > MAX_ID || parts.length !== 4 || !type) {
    return invalid(`node id "${id.slice(0, 100)}" is not type~address~pod.namespace~domain with a known type`);
  }
  const namespace = textOf(metadata, "NAMESPACE") ?? (domain.includes(".") ? domain.slice(0, domain.indexOf(".")) : "");
  if (namespace === "") return invalid(`node "${id.slice(0, 100)}" names no namespace`);
  const serviceAccount = textOf(metadata, "SERVICE_ACCOUNT");
  return { kind: "node", node: { type, namespace, serviceAccount, nodeName: textOf(metadata, "NODE_NAME") ?? "" } };
}

function invalid(problem: string): ProxyNodeReading {
  return { kind: "invalid", problem };
}

function textOf(metadata: JsonObject, key: string): string | undefined {
  const value = Object.hasOwn(metadata, key) ? metadata[key] : undefined;
  return typeof value === "string" && value !== "" ? value : undefined;
}
