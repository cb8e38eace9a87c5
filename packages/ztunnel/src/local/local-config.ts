// SPDX-License-Identifier: Apache-2.0
import { messageOf } from "@ambientmesh/core";
import { parse } from "yaml";
import type { Service, Workload } from "../state/model.ts";
import type { MeshState } from "../state/mesh-state.ts";
import type { PolicyResource } from "../state/policy-store.ts";
import { readService, readWorkload } from "./local-addresses.ts";
import { readPolicy } from "./local-policies.ts";
import { invalid, YamlMapping } from "./yaml-mapping.ts";

/** Workloads, services and policies that do not come from a control plane. */
export interface LocalConfig {
  readonly workloads: readonly Workload[];
  readonly services: readonly Service[];
  readonly policies: readonly PolicyResource[];
}

export const NO_LOCAL_CONFIG: LocalConfig = { workloads: [], services: [], policies: [] };

/**
 * Reads a local configuration (YAML, ztunnel's format of Istio 1.31).
 * @throws MeshError ZTUNNEL_LOCAL_CONFIG with the place of the first mistake
 */
export function parseLocalConfig(text: string): LocalConfig {
  const yaml = new YamlMapping("it", documentOf(text) ?? {});
  const listed = <T>(key: string, read: (path: string, value: unknown) => T): readonly T[] =>
    yaml.list(key).map((value, at) => read(`${key}[${at}]`, value));
  const config = {
    workloads: listed("workloads", readWorkload),
    services: listed("services", readService),
    policies: listed("policies", readPolicy),
  };
  yaml.finish();
  return config;
}

function documentOf(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw invalid("it", `is not YAML: ${messageOf(error).split("\n", 1)[0]}`);
  }
}

/** Puts it into the state; what a control plane sends is added to it. */
export function applyLocalConfig(state: MeshState, { workloads, services, policies }: LocalConfig): void {
  state.applyAddresses(
    [
      ...services.map((service) => ({ kind: "service", service }) as const),
      ...workloads.map((workload) => ({ kind: "workload", workload }) as const),
    ],
    [],
  );
  if (policies.length > 0) state.applyPolicies(policies, []);
}
