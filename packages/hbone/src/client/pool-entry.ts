// SPDX-License-Identifier: Apache-2.0
import { abortedError } from "@ambientmesh/core";
import type { HboneConnection } from "./hbone-connection.ts";
import type { PooledConnection, TunnelTarget } from "./pool-target.ts";

/** A connection that is being made, and those who wait for it. */
interface Dial<Target extends TunnelTarget> {
  readonly connection: Promise<HboneConnection>;
  readonly abort: AbortController;
  waiters: number;
  /** Asked for by retire() in the meantime: the new connection may be of the old kind. */
  readonly retiring: ((connection: PooledConnection<Target>) => boolean)[];
}

/** The connections of one target. */
export class PoolEntry<Target extends TunnelTarget> {
  readonly key: string;
  readonly target: Target;
  readonly connections: Set<HboneConnection> = new Set();
  readonly #connect: (signal: AbortSignal) => Promise<HboneConnection>;
  #dial: Dial<Target> | undefined;

  /** `connect` makes a connection, puts it into {@link connections}, and takes it out when it drains. */
  constructor(key: string, target: Target, connect: (signal: AbortSignal) => Promise<HboneConnection>) {
    this.key = key;
    this.target = target;
    this.#connect = connect;
  }

  get isDialing(): boolean {
    return this.#dial !== undefined;
  }

  /** True if no tunnel is open and none is being made. */
  get isIdle(): boolean {
    if (this.#dial !== undefined) return false;
    for (const connection of this.connections) if (connection.openTunnels > 0) return false;
    return true;
  }

  /**
   * The connection for the next tunnel: the first with room that no bulk or stalled tunnel fills up. When all with room are
   * congested: none as long as there are fewer than `maxCongested`, so that another one is made, then the least used.
   */
  pick(maxCongested: number): HboneConnection | undefined {
    let leastUsed: HboneConnection | undefined;
    for (const connection of this.connections) {
      if (!connection.canConnect) continue;
      if (!connection.isCongested) return connection;
      if (leastUsed === undefined || connection.openTunnels < leastUsed.openTunnels) leastUsed = connection;
    }
    return this.connections.size < maxCongested ? undefined : leastUsed;
  }

  /**
   * Waits for one more connection, together with all others who do. It fails for all of them at once; it is given up when
   * the last of them has gone.
   */
  async dialed(signal: AbortSignal | undefined): Promise<void> {
    const dial = (this.#dial ??= this.#startDial());
    dial.waiters++;
    const { promise, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => {
      if (signal) reject(abortedError(signal, `waiting for a connection to ${this.target.address}`));
    };
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await (signal ? Promise.race([dial.connection, promise]) : dial.connection);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      if (--dial.waiters === 0) dial.abort.abort();
    }
  }

  /** No connection that exists or is being made, and for which `isRetired`, gets further tunnels. */
  retire(isRetired: (connection: PooledConnection<Target>) => boolean): void {
    this.#dial?.retiring.push(isRetired);
    for (const connection of this.connections) {
      if (isRetired({ target: this.target, info: connection.info })) connection.drain();
    }
  }

  /** Gives up the connection that is being made, for all who wait. */
  abortDial(reason: unknown): void {
    this.#dial?.abort.abort(reason);
  }

  #startDial(): Dial<Target> {
    const abort = new AbortController();
    const dial: Dial<Target> = { abort, waiters: 0, retiring: [], connection: this.#connect(abort.signal) };
    // Runs before anybody who waits goes on; its failure is for them to report.
    dial.connection.then(
      (connection) => this.#dialEnded(dial, connection),
      () => this.#dialEnded(dial, undefined),
    );
    return dial;
  }

  #dialEnded(dial: Dial<Target>, connection: HboneConnection | undefined): void {
    if (this.#dial === dial) this.#dial = undefined;
    if (connection === undefined) return;
    const pooled = { target: this.target, info: connection.info };
    if (dial.retiring.some((isRetired) => isRetired(pooled))) connection.drain();
  }
}
