// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "@ambientmesh/core";
import type { SocketAddress } from "../net/address.ts";
import { flagOf, refuse, type Refusal } from "../reasons.ts";
import type { AccessLines } from "./access-lines.ts";
import type { ConnectionDetails, ConnectionEnd, ConnectionRecord, Direction, Phase } from "./connection-record.ts";
import type { ByteCounters, TrafficMetrics } from "./traffic-metrics.ts";

/** Where the stories of connections go. */
export interface ConnectionReporting {
  readonly clock: Clock;
  readonly access: AccessLines;
  readonly metrics: TrafficMetrics;
}

interface Start {
  readonly id: number;
  readonly direction: Direction;
  readonly src: SocketAddress;
  readonly wanted: SocketAddress;
}

/**
 * One connection while it lives. Whoever accepted it tells what happens; the story ends exactly once.
 * Before {@link open} an end is a refusal, afterwards the connection counts as opened and closed.
 */
export class Connection implements ConnectionRecord {
  readonly id: number;
  readonly direction: Direction;
  readonly src: SocketAddress;
  readonly wanted: SocketAddress;
  readonly startedAtMs: number;
  readonly phases: Map<Phase, number> = new Map();
  clientBytes = 0;
  serverBytes = 0;
  readonly #reporting: ConnectionReporting;
  readonly #onEnd: () => void;
  #details: ConnectionDetails;
  readonly #abort: AbortController = new AbortController();
  #counters: ByteCounters | undefined;
  #end: ConnectionEnd | undefined;

  constructor(reporting: ConnectionReporting, start: Start, onEnd: () => void) {
    this.id = start.id;
    this.direction = start.direction;
    this.src = start.src;
    this.wanted = start.wanted;
    this.#reporting = reporting;
    this.#onEnd = onEnd;
    this.#details = { dst: start.wanted, protocol: "TCP", isMutualTls: false };
    this.startedAtMs = reporting.clock.monotonicMs();
    reporting.metrics.accepted(start.direction);
  }

  get details(): ConnectionDetails {
    return this.#details;
  }

  get end(): ConnectionEnd | undefined {
    return this.#end;
  }

  /** Aborts when the connection is cut from outside: whoever serves it closes both of its ends then. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Adds what became known. */
  describe(details: Partial<ConnectionDetails>): void {
    this.#details = { ...this.#details, ...details };
  }

  reached(phase: Phase): void {
    if (!this.phases.has(phase)) this.phases.set(phase, this.#reporting.clock.monotonicMs() - this.startedAtMs);
  }

  /** From here on it counts: its labels are settled. */
  open(): void {
    if (this.#counters || this.#end) return;
    this.#counters = this.#reporting.metrics.opened(this);
    this.#reporting.access.opened(this, this.#reporting.clock.monotonicMs());
  }

  /** Bytes that went from the client to the server. */
  addClientBytes(count: number): void {
    this.clientBytes += count;
    this.#counters?.received.add(count);
  }

  /** Bytes that went from the server to the client. */
  addServerBytes(count: number): void {
    this.serverBytes += count;
    this.#counters?.sent.add(count);
  }

  /** Ends the story; later ends are ignored, since the first cause counts. */
  finish(end: ConnectionEnd): void {
    if (this.#end) return;
    this.#end = end;
    const { access, metrics, clock } = this.#reporting;
    if (this.#counters) {
      metrics.closed(this, flagOf(end.reason));
      access.complete(this, clock.monotonicMs());
    } else {
      access.refused(this);
    }
    metrics.ended(this.direction, end.reason);
    this.#onEnd();
  }

  /** Ends the story and the connection with it. */
  cut(end: ConnectionEnd): void {
    this.finish(end);
    this.#abort.abort();
  }
}

/** The connections of one pod. */
export class ConnectionBook {
  readonly #reporting: ConnectionReporting;
  readonly #capacity: number;
  readonly #live = new Set<Connection>();
  #lastId = 0;

  constructor(reporting: ConnectionReporting, options: { readonly capacity?: number } = {}) {
    this.#reporting = reporting;
    this.#capacity = options.capacity ?? Infinity;
  }

  /** A refusal if more live than the pod may have, the one that just began included. */
  overload(): Refusal | undefined {
    if (this.#live.size <= this.#capacity) return undefined;
    return refuse("POD_LIMIT", `the pod has ${this.#capacity} connections already`);
  }

  begin(start: Omit<Start, "id">): Connection {
    const connection: Connection = new Connection(this.#reporting, { ...start, id: ++this.#lastId }, () =>
      this.#live.delete(connection),
    );
    this.#live.add(connection);
    return connection;
  }

  /** Those that live now, the oldest first. */
  all(): Iterable<Connection> {
    return this.#live;
  }

  get size(): number {
    return this.#live.size;
  }

  /** Ends all that live. */
  cut(end: ConnectionEnd): void {
    for (const connection of this.#live) connection.cut(end);
  }
}
