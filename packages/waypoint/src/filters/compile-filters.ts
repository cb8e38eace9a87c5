// SPDX-License-Identifier: Apache-2.0
import { fault, rbac, router } from "@ambientmesh/api/envoy/http-filters";
import type { httpConnectionManager } from "@ambientmesh/api/envoy/network-filters";
import type { Clock } from "@ambientmesh/core";
import { anyUnpack, type Any } from "@bufbuild/protobuf/wkt";
import { invalid, unsupported } from "../config/refusal.ts";
import { compileFault, injectFault } from "./fault.ts";
import type { FilterOverride, HttpFilter } from "./filter.ts";
import { compileRbac, enforceRbac } from "./rbac.ts";

/** The filters of a connection manager in their order, and how its router is set. */
export interface CompiledFilters {
  readonly filters: readonly HttpFilter[];
  readonly suppressEnvoyHeaders: boolean;
}

/** What filters are made with. */
export interface FilterDeps {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}

/** @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED */
export function compileFilters(
  filters: readonly httpConnectionManager.HttpFilter[],
  deps: FilterDeps,
  path: string,
): CompiledFilters {
  const last = filters.at(-1);
  const any = last?.configType.case === "typedConfig" ? last.configType.value : undefined;
  const settings = any && anyUnpack(any, router.RouterSchema);
  if (!settings) throw invalid(path, "has no router as its last filter");
  const compiled = filters.slice(0, -1).flatMap((filter, index) => {
    const at = `${path}[${index}]`;
    if (filter.configType.case !== "typedConfig") throw unsupported(at, "has no typed_config");
    return compileFilter(filter.name, filter.configType.value, deps, `${at}.typed_config`);
  });
  return { filters: compiled, suppressEnvoyHeaders: settings.suppressEnvoyHeaders };
}

function compileFilter(name: string, config: Any, deps: FilterDeps, path: string): HttpFilter {
  const faults = anyUnpack(config, fault.HTTPFaultSchema);
  if (faults) {
    const own = compileFault(faults, path);
    return {
      name,
      decide: (exchange, override) => injectFault(override?.kind === "fault" ? override.fault : own, exchange, deps),
    };
  }
  const policy = anyUnpack(config, rbac.RBACSchema);
  if (!policy) throw unsupported(path, `of type ${config.typeUrl} is not supported`);
  const own = policy.rules && compileRbac(policy.rules, `${path}.rules`);
  return {
    name,
    decide: ({ head, record }, override) => {
      const rules = override?.kind === "rbac" ? override.rbac : own;
      return rules && enforceRbac(rules, { head, connection: record.connection, clientAddress: record.clientAddress });
    },
  };
}

/** Settings of filters for one route. @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED */
export function compileOverrides(
  configs: Readonly<Record<string, Any>>,
  path: string,
): ReadonlyMap<string, FilterOverride> {
  const entries = Object.entries(configs).map(([name, config]): [string, FilterOverride] => [
    name,
    compileOverride(config, `${path}["${name}"]`),
  ]);
  return new Map(entries);
}

function compileOverride(config: Any, path: string): FilterOverride {
  const faults = anyUnpack(config, fault.HTTPFaultSchema);
  if (faults) return { kind: "fault", fault: compileFault(faults, path) };
  const policy = anyUnpack(config, rbac.RBACPerRouteSchema);
  if (!policy) throw unsupported(path, `of type ${config.typeUrl} is not supported`);
  const rules = policy.rbac?.rules;
  return { kind: "rbac", rbac: rules && compileRbac(rules, `${path}.rbac.rules`) };
}
