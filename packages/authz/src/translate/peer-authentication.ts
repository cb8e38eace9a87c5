// SPDX-License-Identifier: Apache-2.0
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { PeerAuthentication } from "@ambientmesh/api/istio";
import { Action, AuthorizationSchema, Scope, type Authorization, type MatchSchema } from "@ambientmesh/api/security";
import { hasLabels, namespaceOf, type SelectableWorkload } from "../objects/scope.ts";
import { parsePort } from "../values/port.ts";
import type { GroupInit } from "./rule-groups.ts";

/** The policy that refuses clients without identity. Underscores keep it apart from the names users can choose. */
export const STATIC_STRICT_POLICY = "istio_converted_static_strict";
const CONVERTED_PREFIX = "converted_peer_authentication_";

/** What mutual TLS is to a workload: demanded, or taken if the client offers it. */
export type EffectiveMode = "STRICT" | "PERMISSIVE";

/** The outcome for one workload. */
export interface EffectiveMtls {
  readonly mode: EffectiveMode;
  /** Ports of the workload that differ from `mode`. */
  readonly ports: ReadonlyMap<number, EffectiveMode>;
  /** The object that decided, as "namespace/name"; absent where nothing is said. */
  readonly decidedBy?: string;
}

/** All PeerAuthentications of a mesh, merged. */
export interface TranslatedPeerAuthentications {
  /** What node proxies get; empty as long as there is no PeerAuthentication. */
  readonly authorizations: readonly Authorization[];
  /** Keys of the policies that have to be attached to a workload. */
  namesFor(workload: SelectableWorkload): readonly string[];
  /** What holds for a workload, for people. */
  effectiveFor(workload: SelectableWorkload): EffectiveMtls;
}

/** What one object says once it is merged with the levels above it. */
interface Level {
  readonly key: string;
  readonly object: PeerAuthentication;
  readonly mode: EffectiveMode;
  readonly ports: ReadonlyMap<number, EffectiveMode>;
  readonly names: readonly string[];
}

interface NamespaceLevels {
  readonly own?: Level;
  /** With a selector, oldest first. */
  readonly selecting: readonly Level[];
}

/**
 * Merges PeerAuthentications (Istio 1.31, ambient mode): mesh, then namespace, then selector; on each level the oldest
 * object holds and UNSET inherits; DISABLE is PERMISSIVE. Objects with a selector in the root namespace select nothing.
 *
 * Unlike Istio 1.31, a STRICT port is kept when the workload's own mode is PERMISSIVE under a STRICT mesh, and a DISABLE
 * port counts like a PERMISSIVE one when the mode is inherited.
 */
export function translatePeerAuthentications(
  objects: readonly PeerAuthentication[],
  { rootNamespace }: { readonly rootNamespace: string },
): TranslatedPeerAuthentications {
  const staticKey = `${rootNamespace}/${STATIC_STRICT_POLICY}`;
  const byNamespace = Map.groupBy([...objects].sort(oldestFirst), namespaceOf);
  const levelOf = (object: PeerAuthentication, inherited: EffectiveMode): Level =>
    toLevel(object, inherited, staticKey);
  const mesh = byNamespace.get(rootNamespace)?.find((object) => !isSelecting(object));
  const meshLevel = mesh && levelOf(mesh, "PERMISSIVE");
  const namespaces = new Map<string, NamespaceLevels>();
  for (const [namespace, members] of byNamespace) {
    if (namespace === rootNamespace) continue;
    const plain = members.find((object) => !isSelecting(object));
    const own = plain ? levelOf(plain, meshLevel?.mode ?? "PERMISSIVE") : meshLevel;
    const selecting = members.filter(isSelecting).map((object) => levelOf(object, own?.mode ?? "PERMISSIVE"));
    namespaces.set(namespace, { ...(own && { own }), selecting });
  }
  const find = ({ namespace, labels }: SelectableWorkload): Level | undefined => {
    const levels = namespaces.get(namespace);
    if (!levels) return meshLevel;
    return levels.selecting.find(({ object }) => hasLabels(object.spec?.selector ?? {}, labels)) ?? levels.own;
  };
  const converted = [...namespaces.values()].flatMap(({ selecting }) => selecting.flatMap(convertedPolicy));
  return {
    authorizations: objects.length === 0 ? [] : [staticStrictPolicy(rootNamespace), ...converted],
    namesFor: (workload) => find(workload)?.names ?? [],
    effectiveFor(workload) {
      const level = find(workload);
      return level
        ? { mode: level.mode, ports: level.ports, decidedBy: level.key }
        : { mode: "PERMISSIVE", ports: new Map() };
    },
  };
}

/** A selector without labels selects the whole namespace, which is what the namespace level is for. */
function isSelecting(object: PeerAuthentication): boolean {
  return Object.keys(object.spec?.selector?.matchLabels ?? {}).length > 0;
}

function oldestFirst(a: PeerAuthentication, b: PeerAuthentication): number {
  const created = (object: PeerAuthentication): number => Date.parse(object.metadata.creationTimestamp ?? "") || 0;
  return created(a) - created(b) || (a.metadata.name < b.metadata.name ? -1 : 1);
}

/** An unknown mode is taken as the strictest. */
function resolve(mode: string | undefined, inherited: EffectiveMode): EffectiveMode {
  if (mode === undefined || mode === "UNSET") return inherited;
  return mode === "PERMISSIVE" || mode === "DISABLE" ? "PERMISSIVE" : "STRICT";
}

function toLevel(object: PeerAuthentication, inherited: EffectiveMode, staticKey: string): Level {
  const mode = resolve(object.spec?.mtls?.mode, inherited);
  const ports = isSelecting(object) ? differingPorts(object, mode) : new Map<number, EffectiveMode>();
  const namespace = namespaceOf(object);
  const convertedKey = `${namespace}/${CONVERTED_PREFIX}${object.metadata.name}`;
  const plainNames = mode === "STRICT" ? [staticKey] : [];
  return {
    key: `${namespace}/${object.metadata.name}`,
    object,
    mode,
    ports,
    names: ports.size > 0 ? [convertedKey] : plainNames,
  };
}

/** Ports whose mode is not the one of the others, ascending. What is no port is left to validation. */
function differingPorts(object: PeerAuthentication, mode: EffectiveMode): ReadonlyMap<number, EffectiveMode> {
  const ports = Object.entries(object.spec?.portLevelMtls ?? {}).flatMap(([text, setting]) => {
    const port = parsePort(text);
    return port.ok ? [[port.value, resolve(setting.mode, mode)] as const] : [];
  });
  return new Map(ports.filter(([, portMode]) => portMode !== mode).sort(([a], [b]) => a - b));
}

/** A client without identity. */
const PLAINTEXT: MessageInitShape<typeof MatchSchema> = {
  notPrincipals: [{ matchType: { case: "presence", value: {} } }],
};

function staticStrictPolicy(rootNamespace: string): Authorization {
  return denyPolicy(rootNamespace, STATIC_STRICT_POLICY, [{ rules: [{ matches: [PLAINTEXT] }] }]);
}

function convertedPolicy({ object, mode, ports }: Level): Authorization[] {
  if (ports.size === 0) return [];
  const numbers = [...ports.keys()];
  const groups = mode === "STRICT" ? plaintextExceptOn(numbers, isInheriting(object)) : numbers.map(plaintextOn);
  return [denyPolicy(namespaceOf(object), `${CONVERTED_PREFIX}${object.metadata.name}`, groups)];
}

function isInheriting(object: PeerAuthentication): boolean {
  return (object.spec?.mtls?.mode ?? "UNSET") === "UNSET";
}

/** One group: plaintext, and none of the ports. Istio puts the first condition last when the mode is inherited. */
function plaintextExceptOn(ports: readonly number[], isStrictLast: boolean): GroupInit[] {
  const plaintext = { matches: [PLAINTEXT] };
  const others = ports.map((port) => ({ matches: [{ notDestinationPorts: [port] }] }));
  return [{ rules: isStrictLast ? [...others, plaintext] : [plaintext, ...others] }];
}

function plaintextOn(port: number): GroupInit {
  return { rules: [{ matches: [{ ...PLAINTEXT, destinationPorts: [port] }] }] };
}

function denyPolicy(namespace: string, name: string, groups: GroupInit[]): Authorization {
  const scope = Scope.WORKLOAD_SELECTOR;
  return create(AuthorizationSchema, { namespace, name, scope, action: Action.DENY, groups });
}
