// SPDX-License-Identifier: Apache-2.0
import { systemClock, type Clock, type DrainWatch, type MeshError, type Timer } from "@ambientmesh/core";
import type { Duplex } from "node:stream";
import { IoBuffers } from "../buffers/io-buffers.ts";
import { hboneErrors } from "../errors.ts";
import { followDrain } from "../follow-drain.ts";
import type { SecureLimits, SecureOutcome } from "../secure-transport.ts";
import type { ConnectOutcome, ConnectRequestOptions } from "./connect-outcome.ts";
import { dialWithin } from "./dial-within.ts";
import { openHboneConnection, type HboneConnection, type HboneConnectionOptions } from "./hbone-connection.ts";
import { PoolEntry } from "./pool-entry.ts";
import { targetKey, type PooledConnection, type TunnelTarget } from "./pool-target.ts";

/** Limits and times of a pool. */
export interface HbonePoolOptions extends HboneConnectionOptions {
  /** How long a connection may take to be dialled, in ms. Default 10,000. */
  readonly dialTimeoutMs?: number;
  /** How long a connection without tunnels is kept, in ms. Default 300,000. */
  readonly idleMs?: number;
  /** Targets that have connections, at a time; the least recently used make room. Default 500. */
  readonly maxTargets?: number;
  /** With fewer connections to a target, another is made when bulk or stalled tunnels fill those it has. Default 4. */
  readonly maxCongested?: number;
}

/** What a pool is made with. */
export interface HbonePoolDeps<Target extends TunnelTarget> {
  /** Connects to `target.address`. */
  readonly dial: (target: Target, signal: AbortSignal) => Promise<Duplex>;
  /** The TLS handshake as client; it must check that the peer is one of `target.expected`. */
  readonly secure: (raw: Duplex, target: Target, limits: SecureLimits) => Promise<SecureOutcome>;
  /** Ends the pool with the program. */
  readonly drain?: DrainWatch;
  readonly clock?: Clock;
  readonly buffers?: IoBuffers;
}

/** Counters since the start, and what is open now. */
export interface HbonePoolStats {
  readonly targets: number;
  readonly connections: number;
  readonly tunnels: number;
  readonly dialing: number;
  readonly dialsTotal: number;
  readonly dialsFailedTotal: number;
  readonly tunnelsOpenedTotal: number;
  readonly tunnelsRefusedTotal: number;
  readonly retriesTotal: number;
}

interface Pooled<Target extends TunnelTarget> extends PooledConnection<Target> {
  readonly hold: Disposable | undefined;
  idle: Timer | undefined;
}

const DEFAULTS = { dialTimeoutMs: 10_000, idleMs: 300_000, maxTargets: 500, maxCongested: 4 } as const;
/** How long a new tunnel waits for a connection of its own where others are congested. */
const CONGESTED_WAIT_MS = 100;
/** How often a request is made that no peer looks at. */
const MAX_ATTEMPTS = 3;

/**
 * Tunnels over as few connections as will do. Requests that come while a connection is being made share it, or its failure.
 * Full connections are used again once they have room; those that fail, drain or rotate are replaced.
 */
export class HbonePool<Target extends TunnelTarget = TunnelTarget> implements AsyncDisposable {
  readonly #deps: HbonePoolDeps<Target>;
  readonly #options: HboneConnectionOptions;
  readonly #limits: Required<Pick<HbonePoolOptions, keyof typeof DEFAULTS>>;
  readonly #clock: Clock;
  readonly #buffers: IoBuffers;
  /** Least recently used first. */
  readonly #entries = new Map<string, PoolEntry<Target>>();
  #newest: PoolEntry<Target> | undefined;
  /** Every connection, also those that only wait for their last tunnel to end. */
  readonly #pooled = new Map<HboneConnection, Pooled<Target>>();
  readonly #ended = Promise.withResolvers<void>();
  #drainSteps: Disposable | undefined;
  #isClosed = false;
  #dialing = 0;
  #dials = 0;
  #dialsFailed = 0;
  #opened = 0;
  #refused = 0;
  #retries = 0;

  constructor(deps: HbonePoolDeps<Target>, options: HbonePoolOptions = {}) {
    const { dialTimeoutMs, idleMs, maxTargets, maxCongested, ...connection } = { ...DEFAULTS, ...options };
    this.#deps = deps;
    this.#options = connection;
    this.#limits = { dialTimeoutMs, idleMs, maxTargets, maxCongested };
    this.#clock = deps.clock ?? systemClock;
    this.#buffers = deps.buffers ?? new IoBuffers();
    const steps = { onDraining: () => this.drain(), onForced: () => this.abort() };
    this.#drainSteps = followDrain(deps.drain, steps);
  }

  stats(): HbonePoolStats {
    let tunnels = 0;
    for (const connection of this.#pooled.keys()) tunnels += connection.openTunnels;
    return {
      targets: this.#entries.size,
      connections: this.#pooled.size,
      tunnels,
      dialing: this.#dialing,
      dialsTotal: this.#dials,
      dialsFailedTotal: this.#dialsFailed,
      tunnelsOpenedTotal: this.#opened,
      tunnelsRefusedTotal: this.#refused,
      retriesTotal: this.#retries,
    };
  }

  /** Every connection with its target, also those that take no new tunnels. */
  *connections(): IterableIterator<PooledConnection<Target> & { readonly connection: HboneConnection }> {
    for (const [connection, { target, info }] of this.#pooled) yield { target, info, connection };
  }

  /**
   * Asks for a tunnel over a connection to `target`, making one if need be.
   *
   * @throws MeshError HBONE_DIAL_FAILED and all of `openHboneConnection` and {@link HboneConnection.connect}.
   */
  async connect(target: Target, request: ConnectRequestOptions): Promise<ConnectOutcome> {
    for (let attempt = 1; ; attempt++) {
      try {
        const outcome = await this.#connectOnce(target, request);
        if (outcome.kind === "open") this.#opened++;
        else this.#refused++;
        return outcome;
      } catch (error) {
        if (this.#isClosed || attempt >= MAX_ATTEMPTS || !hboneErrors.is(error, "HBONE_STREAM_UNPROCESSED"))
          throw error;
        this.#retries++;
      }
    }
  }

  /**
   * Takes connections out of use, so that new tunnels get new connections with new certificates. Open tunnels go on, unless
   * `mode` is "abort" (for revoked certificates).
   */
  retire(isRetired: (connection: PooledConnection<Target>) => boolean, mode: "drain" | "abort" = "drain"): void {
    for (const entry of this.#entries.values()) entry.retire(isRetired);
    if (mode === "drain") return;
    const error = hboneErrors.create("HBONE_CONNECTION_CLOSED", "the connection was retired at once");
    for (const [connection, pooled] of this.#pooled) if (isRetired(pooled)) connection.abort(error);
  }

  /** Takes no new requests; connections close when their last tunnel has ended. */
  drain(): void {
    this.#isClosed = true;
    const error = drainingError();
    for (const entry of this.#entries.values()) entry.abortDial(error);
    for (const connection of this.#pooled.keys()) connection.drain();
    this.#settle();
  }

  /** Ends everything at once. */
  abort(): void {
    this.drain();
    const error = drainingError();
    for (const connection of this.#pooled.keys()) connection.abort(error);
  }

  /** Drains for up to `deadlineMs`, then aborts; resolves when nothing is open. */
  async close(deadlineMs: number): Promise<void> {
    this.drain();
    using _timer = this.#clock.setTimer(deadlineMs, () => this.abort());
    await this.#ended.promise;
  }

  /** {@link close} without a deadline to wait for. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    await this.#ended.promise;
  }

  async #connectOnce(target: Target, request: ConnectRequestOptions): Promise<ConnectOutcome> {
    for (;;) {
      if (this.#isClosed) throw drainingError();
      const entry = this.#entryOf(target);
      const connection = entry.pick(this.#limits.maxCongested) ?? (await this.#another(entry, request.signal));
      // Others may have filled a connection that was just made: look again.
      if (connection?.canConnect) {
        this.#pooled.get(connection)?.idle?.cancel();
        return connection.connect(request);
      }
    }
  }

  /** Waits for one more connection; where there is a congested one, only for a moment, as it is better than none. */
  async #another(entry: PoolEntry<Target>, signal: AbortSignal | undefined): Promise<HboneConnection | undefined> {
    const { maxCongested } = this.#limits;
    const dialed = entry.dialed(signal);
    if (entry.pick(0) === undefined) {
      await dialed;
      return entry.pick(maxCongested);
    }
    const { promise: patience, resolve } = Promise.withResolvers<void>();
    using _timer = this.#clock.setTimer(CONGESTED_WAIT_MS, resolve);
    // Failed or late, it makes no difference; the next who needs it will try again.
    await Promise.race([dialed.catch(() => undefined), patience]);
    return entry.pick(maxCongested) ?? entry.pick(0);
  }

  #entryOf(target: Target): PoolEntry<Target> {
    const key = targetKey(target);
    const known = this.#entries.get(key);
    if (known !== undefined && known === this.#newest) return known;
    this.#entries.delete(key);
    const entry: PoolEntry<Target> = known ?? new PoolEntry(key, target, (signal) => this.#dial(entry, signal));
    this.#entries.set(key, entry);
    this.#newest = entry;
    if (known === undefined) this.#makeRoom(entry);
    return entry;
  }

  /** The bound on targets: idle ones go first, then whoever was used least recently. */
  #makeRoom(newest: PoolEntry<Target>): void {
    if (this.#entries.size <= this.#limits.maxTargets) return;
    let victim: PoolEntry<Target> | undefined;
    for (const entry of this.#entries.values()) {
      if (entry === newest || entry.isDialing) continue;
      victim ??= entry;
      if (!entry.isIdle) continue;
      victim = entry;
      break;
    }
    if (victim === undefined) return;
    this.#entries.delete(victim.key);
    victim.retire(() => true);
  }

  async #dial(entry: PoolEntry<Target>, signal: AbortSignal): Promise<HboneConnection> {
    const { target } = entry;
    const hold = this.#deps.drain?.hold();
    this.#dialing++;
    this.#dials++;
    try {
      const { dialTimeoutMs: timeoutMs } = this.#limits;
      const dialOptions = { address: target.address, timeoutMs, clock: this.#clock, signal };
      const raw = await dialWithin((abort) => this.#deps.dial(target, abort), dialOptions);
      return await this.#open(entry, raw, signal, hold);
    } catch (error) {
      this.#dialsFailed++;
      hold?.[Symbol.dispose]();
      if (entry.connections.size === 0) this.#forget(entry);
      throw this.#isClosed ? drainingError() : error;
    } finally {
      this.#dialing--;
      this.#settle();
    }
  }

  async #open(
    entry: PoolEntry<Target>,
    raw: Duplex,
    signal: AbortSignal,
    hold: Disposable | undefined,
  ): Promise<HboneConnection> {
    const { target } = entry;
    const secure = (transport: Duplex, limits: SecureLimits): Promise<SecureOutcome> =>
      this.#deps.secure(transport, target, limits);
    const deps = { secure, clock: this.#clock, buffers: this.#buffers };
    const connection: HboneConnection = await openHboneConnection(raw, deps, {
      ...this.#options,
      signal,
      events: {
        onDraining: () => this.#leave(entry, connection),
        onTunnelGone: () => this.#watchIdle(connection),
        onClosed: () => this.#gone(entry, connection),
      },
    });
    this.#pooled.set(connection, { target, info: connection.info, hold, idle: undefined });
    entry.connections.add(connection);
    // Evicted or retired while it was being made: whoever waits for it may use it, but it is found no more.
    if (this.#isClosed || this.#entries.get(entry.key) !== entry) connection.drain();
    this.#watchIdle(connection);
    return connection;
  }

  #watchIdle(connection: HboneConnection): void {
    const pooled = this.#pooled.get(connection);
    if (pooled === undefined || connection.openTunnels > 0) return;
    pooled.idle?.cancel();
    const whenIdle = (): void => {
      if (connection.openTunnels === 0) connection.drain();
    };
    pooled.idle = this.#clock.setTimer(this.#limits.idleMs, whenIdle, { background: true });
  }

  #leave(entry: PoolEntry<Target>, connection: HboneConnection): void {
    entry.connections.delete(connection);
    if (entry.connections.size === 0 && !entry.isDialing) this.#forget(entry);
  }

  #gone(entry: PoolEntry<Target>, connection: HboneConnection): void {
    this.#leave(entry, connection);
    const pooled = this.#pooled.get(connection);
    this.#pooled.delete(connection);
    pooled?.idle?.cancel();
    pooled?.hold?.[Symbol.dispose]();
    this.#settle();
  }

  #forget(entry: PoolEntry<Target>): void {
    if (this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key);
  }

  #settle(): void {
    if (!this.#isClosed || this.#pooled.size > 0 || this.#dialing > 0) return;
    this.#drainSteps?.[Symbol.dispose]();
    this.#ended.resolve();
  }
}

function drainingError(): MeshError {
  return hboneErrors.create("HBONE_DRAINING", "the HBONE pool is shutting down");
}
