// SPDX-License-Identifier: Apache-2.0
import type { Bootstrap } from "@ambientmesh/api/envoy/bootstrap";
import { silentLogger, systemClock, type Clock, type Logger } from "@ambientmesh/core";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { adsAddress } from "./config/ads.ts";
import { unsupportedBootstrapFields } from "./config/bootstrap.ts";
import { unsupported } from "./config/refusal.ts";
import { GrpcTransport, type XdsTransport } from "@ambientmesh/xds";
import { createDiscovery } from "./engine/discovery.ts";
import { dialTcp } from "./engine/dial.ts";
import { Listeners } from "./engine/listeners.ts";
import { ProxyState } from "./engine/proxy-state.ts";
import type { LineSink } from "./telemetry/access-log.ts";
import type { RequestRecord } from "./telemetry/request-record.ts";

/** What a waypoint is made with. */
export interface WaypointDeps {
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** In [0, 1). Default Math.random. */
  readonly random?: () => number;
  /** Takes the lines of access logs. Default: nobody. */
  readonly accessLog?: LineSink;
  /** The way to the control plane; default: plaintext gRPC to where the bootstrap's `ads_config` leads. */
  readonly transport?: XdsTransport;
  /** Hears of each request that has ended. */
  readonly onRequest?: (record: RequestRecord) => void;
}

/** How a waypoint behaves beyond its configuration. */
export interface WaypointOptions {
  /** Connections of clients at a time and listener; further ones are closed at once. Default 10,000. */
  readonly maxConnections?: number;
  /** How long requests under way may take when the proxy ends. Default 5,000. */
  readonly drainMs?: number;
  /** Gives up the start, which waits for the control plane however long it takes. */
  readonly signal?: AbortSignal;
}

/** A running proxy. */
export class Waypoint implements AsyncDisposable {
  readonly #listeners: Listeners;
  readonly #stack: AsyncDisposableStack;

  constructor(listeners: Listeners, stack: AsyncDisposableStack) {
    this.#listeners = listeners;
    this.#stack = stack;
  }

  /** Where a listener is bound. */
  address(listener: string): AddressInfo | undefined {
    return this.#listeners.address(listener);
  }

  /** Takes no new connections, gives open ones their time, then ends everything. May be called twice. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/**
 * Starts a proxy with the resources of a bootstrap and of the control plane that it names; resolves when all static
 * listeners are bound and the control plane's clusters and listeners are known.
 * @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED, WAYPOINT_LISTEN; everything is closed again then
 */
export async function startWaypoint(
  bootstrap: Bootstrap,
  deps: WaypointDeps = {},
  options: WaypointOptions = {},
): Promise<Waypoint> {
  const [field] = unsupportedBootstrapFields(bootstrap);
  if (field !== undefined) throw unsupported(field);
  const { clock = systemClock, logger = silentLogger, random = Math.random } = deps;
  await using stack = new AsyncDisposableStack();
  const state = stack.use(new ProxyState({ clock, random, dial: dialTcp }));
  const listeners = stack.use(
    new Listeners(
      {
        clock,
        logger,
        random,
        clusters: state.cluster,
        ownAddress: ownAddress(),
        routes: state.routes,
        accessLog: deps.accessLog ?? (() => {}),
        onRequest: deps.onRequest ?? (() => {}),
      },
      { maxConnections: options.maxConnections ?? 10_000, drainMs: options.drainMs ?? 5000 },
    ),
  );
  const { clusters = [], listeners: wanted = [], secrets = [] } = bootstrap.staticResources ?? {};
  if (secrets.length > 0) throw unsupported("static_resources.secrets");
  for (const cluster of clusters) state.setCluster(cluster);
  for (const listener of wanted) await listeners.set(listener);
  const address = adsAddress(bootstrap);
  if (address !== undefined) {
    const transport = deps.transport ?? new GrpcTransport({ address, tls: "plaintext" });
    const node = bootstrap.node ?? {};
    const discovery = stack.use(
      createDiscovery({ transport, state, listeners, clock, logger: logger.child("xds") }, () => node),
    );
    await discovery.start(options.signal);
  }
  return new Waypoint(listeners, stack.move());
}

/** The first address of this machine that others can reach. */
function ownAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";
}
