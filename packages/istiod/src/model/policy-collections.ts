// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { AuthorizationPolicy, PeerAuthentication } from "@ambientmesh/api/istio";
import type { ObjectMeta } from "@ambientmesh/api/kubernetes";
import { STATIC_STRICT_POLICY, translatePeerAuthentications, type PolicyContext } from "@ambientmesh/authz";
import { objectKey } from "@ambientmesh/kube";
import type { ResourceInput } from "@ambientmesh/xds";
import type { CollectionIndex } from "../collections/collection-index.ts";
import type { Collection } from "../collections/collection.ts";
import type { Fetch, Readable } from "../collections/derived-collection.ts";
import type { CollectionGraph } from "../collections/graph.ts";
import { isSameInput } from "./address-resource.ts";
import { selects, type LabelSet } from "./labels.ts";
import type { MeshSources } from "./mesh-sources.ts";
import { checkedPeerAuthentication, failedPeerAuthentication } from "./peer-authentication.ts";
import { authorizationResource, failedPolicy, policyOutcome, type PolicyOutcome } from "./policy-outcome.ts";

/** How workloads find the policies that select them. */
export interface PolicyAttachment {
  readonly reads: readonly Readable[];
  /** Names of the policies to attach to a workload, in the order in which they go out. */
  attachedTo(workload: ObjectMeta, fetch: Fetch): string[];
}

export interface PolicyCollections {
  /** Every AuthorizationPolicy, by key. */
  readonly outcomes: Collection<PolicyOutcome>;
  /** What goes to clients, by name. */
  readonly resources: Collection<ResourceInput>;
  readonly attachment: PolicyAttachment;
}

type ByNamespace<T> = CollectionIndex<T>;

interface PeerInputs {
  readonly mesh: Collection<string>;
  readonly peerObjects: Collection<PeerAuthentication>;
  readonly peers: ByNamespace<PeerAuthentication>;
  readonly context: PolicyContext;
}

/** `context` is looked at with each derivation: what has changed in it counts once the graph is invalidated. */
export function derivePolicies(
  graph: CollectionGraph,
  sources: MeshSources,
  context: PolicyContext,
): PolicyCollections {
  const outcomes = graph.derive<AuthorizationPolicy, PolicyOutcome>({
    name: "policies",
    from: sources.authorizationPolicies,
    equals: isDeepStrictEqual,
    derive: (policy, _fetch, key) => [[key, policyOutcome(policy, context)]],
    whenFailed: (policy, key, error) => [[key, failedPolicy(policy, error, context)]],
  });
  const fromPolicies = graph.derive<PolicyOutcome, ResourceInput>({
    name: "policy resources",
    from: outcomes,
    equals: isSameInput,
    derive: ({ resource }) => (resource ? [[resource.name, resource]] : []),
  });
  const selecting = outcomes.index("namespace", ({ namespace, resource, selector }) =>
    resource && selector ? [namespace] : [],
  );
  const peerObjects = graph.derive<PeerAuthentication, PeerAuthentication>({
    name: "peer authentications",
    from: sources.peerAuthentications,
    equals: Object.is,
    derive: (object, _fetch, key) => [[key, checkedPeerAuthentication(object)]],
    whenFailed: (object, key) => [[key, failedPeerAuthentication(object)]],
  });
  const peers = peerObjects.index("namespace", ({ metadata }) => [metadata.namespace ?? ""]);
  const fromPeers = derivePeerPolicies(graph, { mesh: sources.mesh, peerObjects, peers, context });
  const resources = graph.union("authorizations", [fromPolicies, fromPeers]);
  return { outcomes, resources, attachment: createAttachment(selecting, peers, context) };
}

/** Resources for peer authentication: the one static policy, and one for each object with ports of its own. */
function derivePeerPolicies(
  graph: CollectionGraph,
  { mesh, peerObjects, peers, context }: PeerInputs,
): Collection<ResourceInput> {
  const ofObjects = graph.derive<PeerAuthentication, ResourceInput>({
    name: "peer policies",
    from: peerObjects,
    reads: [peers],
    equals: isSameInput,
    derive: (object, fetch) => {
      const { rootNamespace } = context;
      const { namespace = "" } = object.metadata;
      const above = [...withoutSelector(fetch, peers, rootNamespace), ...withoutSelector(fetch, peers, namespace)];
      const objects = isWithoutSelector(object) ? [] : [object, ...new Set(above)];
      return translatePeerAuthentications(objects, { rootNamespace })
        .authorizations.filter(({ name }) => name !== STATIC_STRICT_POLICY)
        .map((authorization) => [objectKey(authorization), authorizationResource(authorization)]);
    },
  });
  // Every object of the mesh asks for the same static policy, so it is derived from the mesh itself.
  const anyPeer = peerObjects.index("mesh", () => [""]);
  const ofMesh = graph.derive<string, ResourceInput>({
    name: "strict policy",
    from: mesh,
    reads: [anyPeer],
    equals: isSameInput,
    derive: (_mesh, fetch) =>
      translatePeerAuthentications(fetch.many(anyPeer, "").slice(0, 1), context)
        .authorizations.filter(({ name }) => name === STATIC_STRICT_POLICY)
        .map((authorization) => [objectKey(authorization), authorizationResource(authorization)]),
  });
  return graph.union("peer resources", [ofMesh, ofObjects]);
}

function createAttachment(
  selecting: ByNamespace<PolicyOutcome>,
  peers: ByNamespace<PeerAuthentication>,
  context: PolicyContext,
): PolicyAttachment {
  return {
    reads: [selecting, peers],
    attachedTo: ({ namespace = "", labels = {} }, fetch) => {
      const { rootNamespace } = context;
      const isSelected = ({ selector = {} }: PolicyOutcome): boolean => selects(selector, labels);
      const policies = [...new Set([namespace, rootNamespace])]
        .flatMap((place) => fetch.many(selecting, place, isSelected))
        .flatMap(({ resource }) => (resource ? [resource.name] : []));
      const objects = [
        ...fetch.many(peers, namespace, (object) => selects(object.spec?.selector?.matchLabels ?? {}, labels)),
        ...(namespace === rootNamespace ? [] : withoutSelector(fetch, peers, rootNamespace)),
      ];
      const peerPolicies = translatePeerAuthentications(objects, { rootNamespace }).namesFor({ namespace, labels });
      return [...policies.sort(byText), ...peerPolicies];
    },
  };
}

function withoutSelector(
  fetch: Fetch,
  peers: ByNamespace<PeerAuthentication>,
  namespace: string,
): PeerAuthentication[] {
  return fetch.many(peers, namespace, isWithoutSelector);
}

function byText(a: string, b: string): number {
  return a < b ? -1 : 1;
}

function isWithoutSelector({ spec }: PeerAuthentication): boolean {
  const labels: LabelSet = spec?.selector?.matchLabels ?? {};
  return Object.keys(labels).length === 0;
}
