// SPDX-License-Identifier: Apache-2.0
import type { JsonObject } from "../../json/json.ts";
import type { DiscoveredKind, DiscoveredVersion } from "./groups.ts";

/** GET /version. Its major and minor version tell clients which features to expect. */
export const VERSION_INFO: JsonObject = {
  major: "1",
  minor: "33",
  gitVersion: "v1.33.0+ambientmesh.local",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "",
  compiler: "",
  platform: "",
};

/** GET /api. */
export function coreVersions(): JsonObject {
  return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
}

/** GET /apis. */
export function groupList(versions: readonly DiscoveredVersion[]): JsonObject {
  const groups = [...new Set(versions.map(({ group }) => group))].filter((group) => group !== "");
  return { kind: "APIGroupList", apiVersion: "v1", groups: groups.map((group) => groupEntry(versions, group)) };
}

/** GET /apis/GROUP; undefined if there is no such group. */
export function groupDocument(versions: readonly DiscoveredVersion[], group: string): JsonObject | undefined {
  if (!versions.some((version) => version.group === group)) return undefined;
  return { kind: "APIGroup", apiVersion: "v1", ...groupEntry(versions, group) };
}

function groupEntry(versions: readonly DiscoveredVersion[], group: string): JsonObject {
  const served = versions
    .filter((version) => version.group === group)
    .map(({ apiVersion, version }) => ({ groupVersion: apiVersion, version }));
  return { name: group, versions: served, preferredVersion: served[0] };
}

/** GET /api/v1 and /apis/GROUP/VERSION; undefined if there is no such version. */
export function resourceList(versions: readonly DiscoveredVersion[], apiVersion: string): JsonObject | undefined {
  const found = versions.find((version) => version.apiVersion === apiVersion);
  if (found === undefined) return undefined;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: apiVersion,
    resources: found.kinds.flatMap((kind) => [resourceEntry(kind)].concat(subresourceEntries(kind))),
  };
}

function resourceEntry(kind: DiscoveredKind): JsonObject {
  return {
    name: kind.plural,
    singularName: kind.singular,
    namespaced: kind.isNamespaced,
    kind: kind.kind,
    verbs: kind.verbs,
    ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
    ...(kind.categories.length > 0 && { categories: kind.categories }),
  };
}

function subresourceEntries({ plural, isNamespaced, subresources }: DiscoveredKind): readonly JsonObject[] {
  return subresources.map(({ name, group, version, kind, verbs }) => ({
    name: `${plural}/${name}`,
    singularName: "",
    namespaced: isNamespaced,
    group,
    version,
    kind,
    verbs,
  }));
}

/** The aggregated form of discovery (apidiscovery.k8s.io/v2), for the core group or for all others. */
export function aggregatedDiscovery(versions: readonly DiscoveredVersion[], isCore: boolean): JsonObject {
  const groups = [...new Set(versions.map(({ group }) => group))].filter((group) => (group === "") === isCore);
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: "apidiscovery.k8s.io/v2",
    metadata: {},
    items: groups.map((group) => ({
      metadata: { name: group, creationTimestamp: null },
      versions: versions
        .filter((version) => version.group === group)
        .map(({ version, kinds }) => ({
          version,
          freshness: "Current",
          resources: kinds.map((kind) => aggregated(kind, { group, version })),
        })),
    })),
  };
}

function aggregated(kind: DiscoveredKind, place: { readonly group: string; readonly version: string }): JsonObject {
  return {
    resource: kind.plural,
    responseKind: { ...place, kind: kind.kind },
    scope: kind.isNamespaced ? "Namespaced" : "Cluster",
    singularResource: kind.singular,
    verbs: kind.verbs,
    ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
    ...(kind.categories.length > 0 && { categories: kind.categories }),
    ...(kind.subresources.length > 0 && {
      subresources: kind.subresources.map(({ name, group, version, kind: responseKind, verbs }) => ({
        subresource: name,
        responseKind: { group, version, kind: responseKind },
        verbs,
      })),
    }),
  };
}

/** True if an Accept header asks for the aggregated form. */
export function wantsAggregated(accept: string | undefined): boolean {
  return (accept ?? "")
    .split(",")
    .some((range) => /;\s*g=apidiscovery\.k8s\.io/.test(range) && /;\s*v=v2(\s*;|\s*$)/.test(range));
}
