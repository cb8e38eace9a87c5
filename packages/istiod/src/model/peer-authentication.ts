// SPDX-License-Identifier: Apache-2.0
import type { MtlsMode, PeerAuthentication } from "@ambientmesh/api/istio";
import { errors } from "../errors.ts";

const MODES: ReadonlySet<unknown> = new Set(["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]);

/**
 * Gives the object back if it has the shape that validation guarantees. Workloads read several of these objects at
 * once, so one with another shape has to be found before it takes them down.
 * @throws MeshError ISTIOD_POLICY_UNREADABLE naming the field.
 */
export function checkedPeerAuthentication(object: PeerAuthentication): PeerAuthentication {
  const { selector, mtls, portLevelMtls } = mappingAt("spec", object.spec);
  const labels = mappingAt("spec.selector.matchLabels", mappingAt("spec.selector", selector)["matchLabels"]);
  for (const [key, value] of Object.entries(labels)) {
    if (typeof value !== "string") throw unreadable(`spec.selector.matchLabels.${key} is no text`);
  }
  checkMode("spec.mtls", mtls);
  for (const [port, setting] of Object.entries(mappingAt("spec.portLevelMtls", portLevelMtls))) {
    checkMode(`spec.portLevelMtls.${port}`, setting);
  }
  return object;
}

/** What stands for an object that can't be read: STRICT for whatever it selects, as far as that can be told. */
export function failedPeerAuthentication(object: PeerAuthentication): PeerAuthentication {
  const labels: unknown = object.spec?.selector?.matchLabels;
  const isReadable =
    typeof labels === "object" && labels !== null && Object.values(labels).every((value) => typeof value === "string");
  const selector = isReadable ? { selector: { matchLabels: labels as Record<string, string> } } : {};
  return { ...object, spec: { ...selector, mtls: { mode: "STRICT" } } };
}

function checkMode(path: string, setting: unknown): void {
  const mode = mappingAt(path, setting)["mode"] as MtlsMode | undefined;
  if (mode !== undefined && !MODES.has(mode)) throw unreadable(`${path}.mode is no mode`);
}

function mappingAt(path: string, value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (typeof value === "object" && !Array.isArray(value)) return value as Record<string, unknown>;
  throw unreadable(`${path} is no mapping`);
}

function unreadable(problem: string): Error {
  return errors.create("ISTIOD_POLICY_UNREADABLE", problem);
}
