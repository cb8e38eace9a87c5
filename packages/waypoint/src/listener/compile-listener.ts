// SPDX-License-Identifier: Apache-2.0
import type { Listener } from "@ambientmesh/api/envoy/listener";
import { httpConnectionManager } from "@ambientmesh/api/envoy/network-filters";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { socketAddress } from "../cluster/compile-cluster.ts";
import { invalid, unsupported } from "../config/refusal.ts";
import type { ManagerConfig } from "../http/connection-manager.ts";
import type { TlsAcceptorSettings } from "../tls/accept.ts";
import { compileDownstreamSocket } from "../tls/compile-socket.ts";
import { compileManager, type ManagerContext } from "./compile-manager.ts";

/** A listener, ready to be bound. */
export interface CompiledListener {
  readonly name: string;
  readonly source: Listener;
  readonly address: string;
  readonly port: number;
  readonly manager: ManagerConfig;
  /** Undefined: plain text. */
  readonly tls: TlsAcceptorSettings | undefined;
  /** Route configurations that it asks for by name. */
  readonly routeNames: readonly string[];
}

/** Octets of a request's body that are kept for another attempt unless routes say otherwise (Envoy's 1 MiB). */
const DEFAULT_BUFFER = 1024 * 1024;

/** @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED */
export function compileListener(listener: Listener, context: Omit<ManagerContext, "bufferLimit">): CompiledListener {
  const chains = [...listener.filterChains, ...(listener.defaultFilterChain ? [listener.defaultFilterChain] : [])];
  const [chain] = chains;
  if (!chain) throw invalid("filter_chains", "is empty");
  if (chains.length > 1) throw unsupported("filter_chains[1]", "is a second chain; one is supported");
  const [filter] = chain.filters;
  const path = listener.filterChains.length > 0 ? "filter_chains[0].filters" : "default_filter_chain.filters";
  if (chain.filters.length !== 1 || filter?.configType.case !== "typedConfig") {
    throw unsupported(path, "has to be one http_connection_manager");
  }
  const hcm = anyUnpack(filter.configType.value, httpConnectionManager.HttpConnectionManagerSchema);
  if (!hcm) throw unsupported(`${path}[0].typed_config`, `of type ${filter.configType.value.typeUrl} is not supported`);
  const bufferLimit = listener.perConnectionBufferLimitBytes ?? DEFAULT_BUFFER;
  const { routeName, ...manager } = compileManager(hcm, { ...context, bufferLimit }, `${path}[0].typed_config`);
  return {
    name: listener.name,
    source: listener,
    ...socketAddress(listener.address, "address"),
    manager,
    tls: compileDownstreamSocket(chain.transportSocket, `${path.replace(".filters", "")}.transport_socket`),
    routeNames: routeName === undefined ? [] : [routeName],
  };
}
