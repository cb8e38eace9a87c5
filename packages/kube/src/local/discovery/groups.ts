// SPDX-License-Identifier: Apache-2.0
import type { ReviewKind } from "../http/reviews.ts";
import { apiVersionOf, type KindDefinition, type KindVersion } from "../kinds/kind.ts";

/** A kind at one version, stored or only asked. */
export interface DiscoveredKind {
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly isNamespaced: boolean;
  readonly verbs: readonly string[];
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly subresources: readonly DiscoveredSubresource[];
  /** Absent for reviews. */
  readonly definition?: KindDefinition;
  readonly version?: KindVersion;
}

interface DiscoveredSubresource {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

/** One version of a group with all its kinds. */
export interface DiscoveredVersion {
  readonly group: string;
  readonly version: string;
  /** "v1", "apps/v1". */
  readonly apiVersion: string;
  readonly kinds: readonly DiscoveredKind[];
}

const OBJECT_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const PART_VERBS = ["get", "patch", "update"];

/** Everything that is served, by group and version: the preferred version of each group first, the core group first of all. */
export function discoverVersions(
  kinds: Iterable<KindDefinition>,
  reviews: readonly ReviewKind[],
): readonly DiscoveredVersion[] {
  const versions = new Map<string, { group: string; version: string; kinds: DiscoveredKind[] }>();
  const add = (group: string, version: string, kind: DiscoveredKind): void => {
    const apiVersion = apiVersionOf(group, version);
    const found = versions.get(apiVersion) ?? { group, version, kinds: [] };
    found.kinds.push(kind);
    versions.set(apiVersion, found);
  };
  for (const definition of kinds) {
    for (const version of definition.versions) add(definition.group, version.name, ofDefinition(definition, version));
  }
  for (const review of reviews) add(review.group, review.version, ofReview(review));
  const order = (group: string): string => (group === "" ? "0" : `1${group}`);
  return [...versions]
    .map(([apiVersion, { group, version, kinds }]) => ({ apiVersion, group, version, kinds }))
    .sort((a, b) => order(a.group).localeCompare(order(b.group)));
}

function ofDefinition(definition: KindDefinition, version: KindVersion): DiscoveredKind {
  return {
    kind: definition.kind,
    plural: definition.plural,
    singular: definition.singular,
    isNamespaced: definition.isNamespaced,
    verbs: OBJECT_VERBS,
    shortNames: definition.shortNames ?? [],
    categories: definition.categories ?? [],
    subresources: subresourcesOf(definition, version),
    definition,
    version,
  };
}

function subresourcesOf(definition: KindDefinition, version: KindVersion): readonly DiscoveredSubresource[] {
  const { group, kind, plural } = definition;
  const found: DiscoveredSubresource[] = [];
  if (definition.hasScale === true) {
    found.push({ name: "scale", group: "autoscaling", version: "v1", kind: "Scale", verbs: PART_VERBS });
  }
  if (definition.hasStatus === true) {
    found.push({ name: "status", group, version: version.name, kind, verbs: PART_VERBS });
  }
  if (group === "" && plural === "serviceaccounts") {
    found.push({
      name: "token",
      group: "authentication.k8s.io",
      version: "v1",
      kind: "TokenRequest",
      verbs: ["create"],
    });
  }
  return found;
}

function ofReview({ kind, plural }: ReviewKind): DiscoveredKind {
  return {
    kind,
    plural,
    singular: kind.toLowerCase(),
    isNamespaced: false,
    verbs: ["create"],
    shortNames: [],
    categories: [],
    subresources: [],
  };
}
