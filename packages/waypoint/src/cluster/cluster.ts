// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "@ambientmesh/core";
import type { Protocol } from "../http/head.ts";
import { compileCircuitBreakers, type CircuitBreakerPair } from "./circuit-breaker.ts";
import type { ClusterConfig, EndpointsConfig } from "./compile-cluster.ts";
import type { Dial } from "./dial.ts";
import { groupHosts, type HostGroup } from "./host-set.ts";
import { Host, hostKey, type HostConfig, type HostProtocol } from "./host.ts";
import { createBalancer, type Pick as PickHost } from "./load-balancer.ts";
import { OutlierDetector } from "./outlier-detection.ts";
import { h1Connection } from "./pool/h1-connection.ts";
import { h2Connection } from "./pool/h2-connection.ts";
import { HostPool } from "./pool/host-pool.ts";

/** What clusters are made with. */
export interface ClusterDeps {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly dial: Dial;
}

/** Upstream hosts of one kind: picks one for each request and keeps connections to them. */
export class UpstreamCluster implements Disposable {
  readonly config: ClusterConfig;
  readonly breakers: CircuitBreakerPair;
  readonly #deps: ClusterDeps;
  readonly #hosts = new Map<string, Host>();
  readonly #pick: PickHost;
  readonly #detector: OutlierDetector | undefined;
  #overprovisioning: number;
  #groups: readonly HostGroup[] = [];

  constructor(config: ClusterConfig, deps: ClusterDeps) {
    this.config = config;
    this.#deps = deps;
    this.breakers = compileCircuitBreakers(config.source.circuitBreakers);
    this.#pick = createBalancer(config.balancer.kind, config.balancer.choices);
    this.#overprovisioning = config.endpoints.overprovisioning;
    const { clock, random } = deps;
    this.#detector =
      config.outlier &&
      new OutlierDetector(config.outlier, { clock, random, hosts: () => this.hosts, onChange: () => this.#regroup() });
    this.update(config.endpoints);
  }

  get hosts(): readonly Host[] {
    return [...this.#hosts.values()];
  }

  /** What to speak with hosts for a request that came by `downstream`. */
  protocolFor(downstream: Protocol): HostProtocol {
    const { protocol } = this.config;
    if (protocol !== "as-downstream") return protocol;
    return downstream === "HTTP/2" ? "http2" : "http1";
  }

  /** Takes over new endpoints. Those that stay keep their connections; those that go finish their requests. */
  update({ hosts, overprovisioning }: EndpointsConfig): void {
    this.#overprovisioning = overprovisioning;
    const wanted = new Map(hosts.map((host) => [hostKey(host), host]));
    for (const [key, host] of this.#hosts) {
      if (wanted.has(key)) continue;
      this.#hosts.delete(key);
      host.drain();
    }
    for (const [key, config] of wanted) {
      const known = this.#hosts.get(key);
      if (known) known.config = config;
      else this.#hosts.set(key, new Host(config, (protocol) => this.#poolFor(config, protocol)));
    }
    this.#regroup();
  }

  /** A host for a request, if there is one; `avoid` are those that were tried, `attempts` how hard to look for another. */
  choose(avoid: ReadonlySet<Host> = new Set(), attempts = 0): Host | undefined {
    let host = this.#chooseOne();
    for (let left = attempts; host && avoid.has(host) && left > 0; left--) host = this.#chooseOne();
    return host;
  }

  /** Takes note of an answer for outlier detection. */
  report(host: Host, status: number): void {
    this.#detector?.report(host, status);
  }

  /** No further requests; connections close as those under way end. */
  [Symbol.dispose](): void {
    this.#detector?.[Symbol.dispose]();
    for (const host of this.#hosts.values()) host.drain();
  }

  /** Ends everything at once. */
  destroy(): void {
    this[Symbol.dispose]();
    for (const host of this.#hosts.values()) host.destroy();
  }

  #chooseOne(): Host | undefined {
    const { random } = this.#deps;
    let left = random();
    for (const { hosts, share } of this.#groups) {
      left -= share;
      if (left < 0 && hosts.length > 0) return this.#pick(hosts, random);
    }
    // Shares are floating point numbers and may sum up to a bit less than one.
    const last = this.#groups.at(-1);
    return last && last.hosts.length > 0 ? this.#pick(last.hosts, random) : undefined;
  }

  #regroup(): void {
    const options = { ...this.config.hostSet, overprovisioning: this.#overprovisioning };
    this.#groups = groupHosts(this.hosts, options);
  }

  #poolFor(host: HostConfig, protocol: HostProtocol): HostPool {
    const { config } = this;
    const dial = config.secure?.(this.#deps.dial) ?? this.#deps.dial;
    return new HostPool({
      clock: this.#deps.clock,
      connectTimeoutMs: config.connectTimeoutMs,
      dial: (signal) => dial(host, signal),
      speak: (socket, events) =>
        protocol === "http2"
          ? h2Connection(socket, events, {
              maxStreams: config.maxConcurrentStreams,
              maxRequests: config.maxRequestsPerConnection,
              streamWindow: config.streamWindow,
              connectionWindow: config.connectionWindow,
            })
          : h1Connection(socket, events, config.maxRequestsPerConnection),
    });
  }
}
