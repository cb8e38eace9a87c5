// SPDX-License-Identifier: Apache-2.0
import type { HostPool } from "./pool/host-pool.ts";

/** What the control plane says of the health of an endpoint. */
export type HostHealth = "healthy" | "degraded" | "unhealthy";

/** What is spoken on a connection. */
export type HostProtocol = "http1" | "http2";

/** An endpoint as the control plane describes it. */
export interface HostConfig {
  readonly address: string;
  readonly port: number;
  /** Name for `auto_host_rewrite`; "" without one. */
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly health: HostHealth;
  /** `region/zone/sub-zone`. */
  readonly locality: string;
  readonly localityWeight: number;
}

/** An endpoint with what is going on there. Stays the same object as long as its address is in the cluster. */
export class Host {
  config: HostConfig;
  readonly #createPool: (protocol: HostProtocol) => HostPool;
  readonly #pools = new Map<HostProtocol, HostPool>();
  /** Requests under way. */
  active = 0;
  /** True while outlier detection keeps requests away. */
  isEjected = false;

  constructor(config: HostConfig, createPool: (protocol: HostProtocol) => HostPool) {
    this.config = config;
    this.#createPool = createPool;
  }

  /** The connections that speak a protocol. */
  pool(protocol: HostProtocol): HostPool {
    let pool = this.#pools.get(protocol);
    if (!pool) this.#pools.set(protocol, (pool = this.#createPool(protocol)));
    return pool;
  }

  get connections(): number {
    return [...this.#pools.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** No further requests; connections close as those under way end. */
  drain(): void {
    for (const pool of this.#pools.values()) pool.drain();
  }

  destroy(): void {
    for (const pool of this.#pools.values()) pool.destroy();
  }

  get key(): string {
    return hostKey(this.config);
  }

  get isHealthy(): boolean {
    return !this.isEjected && this.config.health === "healthy";
  }

  get isDegraded(): boolean {
    return !this.isEjected && this.config.health === "degraded";
  }
}

/** `address:port`, IPv6 in brackets. */
export function hostKey({ address, port }: Pick<HostConfig, "address" | "port">): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
