// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import { objectKey } from "@ambientmesh/kube";
import { cliErrors } from "../errors.ts";
import { FABRIC } from "../local/network/fabric.ts";
import { NODES } from "../local/topology.ts";

/** Where `local exec` goes. */
export type Target =
  | { readonly kind: "pod"; readonly pod: Pod }
  | { readonly kind: "node"; readonly name: string }
  | { readonly kind: "fabric"; readonly name: string };

/**
 * What a word names: a node, the network between the nodes ("fabric"), or a pod as NAMESPACE/NAME or NAME. A name that no
 * pod has stands for the first pod whose name begins with it and a dash, as those of a Deployment do.
 * @throws MeshError CLI_TARGET_NOT_FOUND, CLI_ARGUMENT_INVALID if several pods are meant equally
 */
export function findTarget(word: string, pods: readonly Pod[]): Target {
  if (word === FABRIC) return { kind: "fabric", name: word };
  if (NODES.some(({ name }) => name === word)) return { kind: "node", name: word };
  const [namespace, name] = word.includes("/") ? (word.split("/", 2) as [string, string]) : [undefined, word];
  const candidates = pods.filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace);
  const exact = candidates.filter(({ metadata }) => metadata.name === name);
  const found = exact.length > 0 ? exact : candidates.filter(({ metadata }) => metadata.name.startsWith(`${name}-`));
  const [pod, ...others] = found.toSorted((a, b) => (objectKey(a.metadata) < objectKey(b.metadata) ? -1 : 1));
  if (pod === undefined) {
    const known = pods.map(({ metadata }) => objectKey(metadata)).toSorted();
    const text = `there is no pod or node "${word}"; pods are ${known.join(", ") || "none"}, nodes are ${NODES.map((node) => node.name).join(", ")}`;
    throw cliErrors.create("CLI_TARGET_NOT_FOUND", text);
  }
  const elsewhere = others.filter(({ metadata }) => metadata.namespace !== pod.metadata.namespace);
  if (elsewhere.length > 0) {
    const names = [pod, ...elsewhere].map(({ metadata }) => objectKey(metadata)).join(", ");
    throw cliErrors.create("CLI_ARGUMENT_INVALID", `"${word}" may be ${names}; name the namespace too`);
  }
  return { kind: "pod", pod };
}
