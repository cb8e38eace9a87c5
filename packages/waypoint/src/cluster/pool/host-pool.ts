// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";
import { messageOf, type Clock } from "@ambientmesh/core";
import type { CircuitBreaker } from "../circuit-breaker.ts";
import type { UpstreamConnection } from "./upstream.ts";

/** What asking for a connection came to. */
export type Acquired =
  | { readonly kind: "ready"; readonly connection: UpstreamConnection }
  | { readonly kind: "overflow" }
  | { readonly kind: "failed"; readonly isTimeout: boolean; readonly message: string };

/** A connection as its pool sees it. */
export interface PooledConnection extends UpstreamConnection {
  /** Requests that it can take beside those under way; 0 for one that is closed or drains. */
  readonly room: number;
  /** Keeps room for one request, which is sent or given up ({@link UpstreamConnection.release}) next. */
  reserve(): void;
  /** Takes no further requests and closes after the last. */
  drain(): void;
  destroy(): void;
}

/** Hears of a connection. */
export interface PooledEvents {
  /** There may be more room than before. */
  readonly onRoom: () => void;
  readonly onClosed: () => void;
}

/** What a pool is made with. */
export interface HostPoolDeps {
  readonly clock: Clock;
  readonly dial: (signal: AbortSignal) => Promise<Duplex>;
  /** Speaks the protocol of the cluster on a new socket. */
  readonly speak: (socket: Duplex, events: PooledEvents) => PooledConnection;
  readonly connectTimeoutMs: number;
}

interface Waiter {
  readonly settle: (acquired: Acquired) => void;
  readonly breaker: CircuitBreaker;
}

/**
 * The connections to one host. Requests wait, up to the limit of the circuit breaker, while connections are made; a failed
 * connection fails all that wait, as in Envoy, as there is no telling that another one would do better.
 */
export class HostPool {
  readonly #deps: HostPoolDeps;
  readonly #connections = new Set<PooledConnection>();
  readonly #waiting = new Set<Waiter>();
  readonly #abort = new AbortController();
  #connecting = 0;
  #isDraining = false;

  constructor(deps: HostPoolDeps) {
    this.#deps = deps;
  }

  /** Connections that are open. */
  get size(): number {
    return this.#connections.size;
  }

  /** A connection on which room for a request is reserved. When `signal` aborts, the result is of no interest and counts as failed. */
  acquire(breaker: CircuitBreaker, signal: AbortSignal): Promise<Acquired> {
    const connection = this.#withRoom();
    if (connection) {
      connection.reserve();
      return Promise.resolve({ kind: "ready", connection });
    }
    const pending = breaker.pending.tryTake();
    if (!pending || this.#isDraining) return Promise.resolve({ kind: "overflow" });
    const { promise, resolve } = Promise.withResolvers<Acquired>();
    const waiter: Waiter = {
      breaker,
      settle: (acquired) => {
        this.#waiting.delete(waiter);
        signal.removeEventListener("abort", giveUp);
        pending[Symbol.dispose]();
        resolve(acquired);
      },
    };
    const giveUp = (): void => waiter.settle({ kind: "failed", isTimeout: false, message: "the client is gone" });
    signal.addEventListener("abort", giveUp, { once: true });
    this.#waiting.add(waiter);
    this.#connectIfNeeded(breaker);
    return promise;
  }

  /** Takes no new requests; connections close when their last request has ended. */
  drain(): void {
    this.#isDraining = true;
    for (const connection of this.#connections) connection.drain();
    if (this.#waiting.size === 0) this.#abort.abort();
  }

  destroy(): void {
    this.drain();
    this.#abort.abort();
    for (const connection of this.#connections) connection.destroy();
  }

  #withRoom(): PooledConnection | undefined {
    for (const connection of this.#connections) if (connection.room > 0) return connection;
    return undefined;
  }

  /** A host without any connection may always have one, whatever the limit of the cluster. */
  #connectIfNeeded(breaker: CircuitBreaker): void {
    if (this.#connecting >= this.#waiting.size) return;
    const isFirst = this.#connections.size + this.#connecting === 0;
    const hold = isFirst ? breaker.connections.take() : breaker.connections.tryTake();
    if (hold) void this.#connect(hold, breaker);
  }

  async #connect(hold: Disposable, breaker: CircuitBreaker): Promise<void> {
    this.#connecting++;
    const timeout = new AbortController();
    const { clock, connectTimeoutMs, dial } = this.#deps;
    using _timer = clock.setTimer(connectTimeoutMs, () => timeout.abort());
    try {
      const socket = await dial(AbortSignal.any([timeout.signal, this.#abort.signal]));
      this.#connecting--;
      this.#add(socket, hold, breaker);
    } catch (error) {
      this.#connecting--;
      hold[Symbol.dispose]();
      const failed: Acquired = { kind: "failed", isTimeout: timeout.signal.aborted, message: messageOf(error) };
      for (const waiter of this.#waiting) waiter.settle(failed);
    }
  }

  #add(socket: Duplex, hold: Disposable, breaker: CircuitBreaker): void {
    const connection = this.#deps.speak(socket, {
      onRoom: () => this.#serve(),
      onClosed: () => {
        this.#connections.delete(connection);
        hold[Symbol.dispose]();
        if (this.#waiting.size > 0) this.#connectIfNeeded(breaker);
      },
    });
    this.#connections.add(connection);
    this.#serve();
    if (this.#isDraining) connection.drain();
  }

  #serve(): void {
    for (const connection of this.#connections) {
      for (const waiter of this.#waiting) {
        if (connection.room <= 0) break;
        connection.reserve();
        waiter.settle({ kind: "ready", connection });
      }
    }
  }
}
