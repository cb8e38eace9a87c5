// SPDX-License-Identifier: Apache-2.0
import { PORTS } from "@ambientmesh/api";
import type { LabelSelector, ObjectMeta } from "@ambientmesh/api/kubernetes";
import { labelMatcher } from "@ambientmesh/kube/selectors";

/** networking.k8s.io/v1 NetworkPolicy, as far as ports matter. */
export interface NetworkPolicy {
  readonly metadata: Pick<ObjectMeta, "name" | "namespace">;
  readonly spec: {
    readonly podSelector?: LabelSelector;
    readonly policyTypes?: readonly string[];
    readonly ingress?: readonly NetworkPolicyRule[];
    readonly egress?: readonly NetworkPolicyRule[];
  };
}

/** Absent or empty lists allow everything. */
export interface NetworkPolicyRule {
  readonly from?: readonly object[];
  readonly to?: readonly object[];
  readonly ports?: readonly NetworkPolicyPort[];
}

export interface NetworkPolicyPort {
  readonly protocol?: string;
  /** A number, or the name of a container's port. */
  readonly port?: number | string;
  readonly endPort?: number;
}

/** A pod of the mesh. */
export interface PodOfMesh {
  readonly metadata: Pick<ObjectMeta, "labels" | "name" | "namespace">;
}

/** A policy that keeps HBONE from pods of the mesh although it lets their plain ports through. */
export interface BlockedHbone {
  readonly namespace: string;
  readonly policy: string;
  readonly direction: Direction;
  /** Names of the pods, in the policy's namespace. */
  readonly pods: readonly string[];
  /** A JSON patch (RFC 6902) that lets the mesh's port through to and from the same peers. */
  readonly patch: readonly JsonPatchAddition[];
}

export interface JsonPatchAddition {
  readonly op: "add";
  readonly path: string;
  readonly value: NetworkPolicyPort;
}

type Direction = "egress" | "ingress";

const HBONE: NetworkPolicyPort = { protocol: "TCP", port: PORTS.HBONE };

/**
 * Finds the policies under which connections between pods of the mesh fail: network plugins see port 15008 instead of the
 * app's, and rules that list ports seldom list that one. Policies add up, so that a pod that any policy lets through from
 * and to everywhere is not blocked. A policy without rules means what it says, and is none of these.
 */
export function findBlockedHbone(
  policies: readonly NetworkPolicy[],
  pods: readonly PodOfMesh[],
): readonly BlockedHbone[] {
  return policies.flatMap((policy) =>
    (["ingress", "egress"] as const).flatMap((direction) => {
      const patch = additionsTo(policy, direction);
      if (patch.length === 0) return [];
      const blocked = pods.filter(
        (pod) => selects(policy, pod) && !policies.some((other) => selects(other, pod) && isOpen(other, direction)),
      );
      if (blocked.length === 0) return [];
      const { namespace = "default", name } = policy.metadata;
      return [{ namespace, policy: name, direction, pods: blocked.map((pod) => pod.metadata.name), patch }];
    }),
  );
}

function additionsTo({ spec }: NetworkPolicy, direction: Direction): readonly JsonPatchAddition[] {
  if (!concerns(spec, direction)) return [];
  return (spec[direction] ?? []).flatMap((rule, index) =>
    allowsHbone(rule) || !rule.ports?.some(isTcp)
      ? []
      : [{ op: "add", path: `/spec/${direction}/${index}/ports/-`, value: HBONE }],
  );
}

/** One of its rules lets HBONE through whatever the other end. */
function isOpen({ spec }: NetworkPolicy, direction: Direction): boolean {
  if (!concerns(spec, direction)) return false;
  const peersOf = (rule: NetworkPolicyRule): number => (direction === "ingress" ? rule.from : rule.to)?.length ?? 0;
  return (spec[direction] ?? []).some((rule) => peersOf(rule) === 0 && allowsHbone(rule));
}

/** Where types are not named, ingress is meant, and egress if there are rules for it. */
function concerns({ policyTypes, egress }: NetworkPolicy["spec"], direction: Direction): boolean {
  if (policyTypes) return policyTypes.some((type) => type.toLowerCase() === direction);
  return direction === "ingress" || (egress?.length ?? 0) > 0;
}

function allowsHbone({ ports = [] }: NetworkPolicyRule): boolean {
  return ports.length === 0 || ports.some((port) => isTcp(port) && includesHbone(port));
}

function isTcp({ protocol = "TCP" }: NetworkPolicyPort): boolean {
  return protocol === "TCP";
}

function includesHbone({ port, endPort }: NetworkPolicyPort): boolean {
  if (port === undefined) return true;
  // Names are those of containers' ports, and no container has the mesh's.
  if (typeof port === "string") return false;
  return port === PORTS.HBONE || (port < PORTS.HBONE && endPort !== undefined && endPort >= PORTS.HBONE);
}

function selects({ metadata, spec }: NetworkPolicy, pod: PodOfMesh): boolean {
  if ((metadata.namespace ?? "default") !== (pod.metadata.namespace ?? "default")) return false;
  return labelMatcher(spec.podSelector)(pod.metadata.labels);
}
