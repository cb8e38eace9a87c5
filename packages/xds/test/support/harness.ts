// SPDX-License-Identifier: Apache-2.0
import { NodeSchema, type Node } from "@ambientmesh/api/discovery";
import type { LogFields, Logger, Metrics } from "@ambientmesh/core";
import { FakeClock } from "@ambientmesh/testkit";
import { create } from "@bufbuild/protobuf";
import {
  DeltaClient,
  MemoryTransport,
  ResourceCache,
  XdsServer,
  deltaType,
  type Authenticate,
  type DeltaClientOptions,
  type StreamAcceptor,
  type SubscriptionMode,
  type XdsClientDeps,
  type XdsServerOptions,
} from "../../src/index.ts";
import { NOTE, TEXT, TextOwner } from "./texts.ts";

export const nodeOf = (id = "ztunnel~10.0.0.1~z.ns~ns.svc.cluster.local"): Node => create(NodeSchema, { id });

export const anybody: Authenticate<string> = () => ({ outcome: "authenticated", identity: "anybody" });

/** Remembers what was logged. */
export class RecordingLogger implements Logger {
  readonly records: { level: string; event: string; fields: LogFields }[] = [];
  isEnabled(): boolean {
    return true;
  }
  child(): Logger {
    return this;
  }
  error(event: string, fields: LogFields = {}): void {
    this.records.push({ level: "error", event, fields });
  }
  warn(event: string, fields: LogFields = {}): void {
    this.records.push({ level: "warn", event, fields });
  }
  info(event: string, fields: LogFields = {}): void {
    this.records.push({ level: "info", event, fields });
  }
  debug(event: string, fields: LogFields = {}): void {
    this.records.push({ level: "debug", event, fields });
  }
  trace(event: string, fields: LogFields = {}): void {
    this.records.push({ level: "trace", event, fields });
  }
  events(level: string): string[] {
    return this.records.filter((record) => record.level === level).map(({ event }) => event);
  }
}

/** Counts what was counted: name and label values to the sum or the last value; for histograms, to the samples. */
export class RecordingMetrics implements Metrics {
  readonly values = new Map<string, number>();
  counter: Metrics["counter"] = (spec) => this.#family(spec.name);
  gauge: Metrics["gauge"] = (spec) => this.#family(spec.name);
  histogram: Metrics["histogram"] = (spec) => this.#family(spec.name);

  value(name: string, ...labels: string[]): number {
    return this.values.get([name, ...labels].join(" ")) ?? 0;
  }

  #family(name: string): ReturnType<Metrics["gauge"]> & ReturnType<Metrics["histogram"]> {
    const keyOf = (labels: Readonly<Record<string, string>>): string => [name, ...Object.values(labels)].join(" ");
    return {
      with: (labels) => {
        const key = keyOf(labels);
        const add = (amount = 1): void => void this.values.set(key, (this.values.get(key) ?? 0) + amount);
        return { add, set: (value) => void this.values.set(key, value), observe: () => add() };
      },
      remove: (labels) => void this.values.delete(keyOf(labels)),
    };
  }
}

/** A server with two types in memory, and clients of it, on one clock that the test moves. */
export class Harness implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly log = new RecordingLogger();
  readonly metrics = new RecordingMetrics();
  readonly cache: ResourceCache;
  server: XdsServer<string>;
  readonly #options: Partial<XdsServerOptions<string>>;
  readonly #stack = new AsyncDisposableStack();

  constructor(options: Partial<XdsServerOptions<string>> = {}) {
    this.#options = options;
    this.cache = this.#stack.use(new ResourceCache({ clock: this.clock }, { quietMs: 0 }));
    this.server = this.#serve();
    this.server.markReady();
  }

  /** Replaces the server by a new one with the same resources. */
  async restart(): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.server = this.#serve();
    this.server.markReady();
  }

  transport(authenticate: Authenticate<string> = anybody): MemoryTransport<string> {
    const latest: StreamAcceptor<string> = {
      acceptDelta: (...args) => this.server.acceptDelta(...args),
      acceptSotw: (...args) => this.server.acceptSotw(...args),
    };
    return new MemoryTransport(latest, authenticate);
  }

  clientDeps(): XdsClientDeps {
    const { clock, log, metrics } = this;
    return { transport: this.transport(), clock, log, metrics, random: () => 0.5 };
  }

  /** A delta client of the text type; it is disposed with the harness. */
  client(
    mode: SubscriptionMode = "wildcard",
    options: Partial<DeltaClientOptions> = {},
  ): { client: DeltaClient; owner: TextOwner } {
    const owner = new TextOwner();
    const types = [deltaType(owner, mode)];
    const client = this.#stack.use(new DeltaClient(this.clientDeps(), { node: () => nodeOf(), types, ...options }));
    return { client, owner };
  }

  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    return this.#stack.use(resource);
  }

  /** Lets both ends work, moving the clock on, until the condition holds. */
  async until(condition: () => boolean, stepMs = 50): Promise<void> {
    for (let turn = 0; turn < 20_000; turn++) {
      for (let at = 0; at < 4; at++) await new Promise((resolve) => setImmediate(resolve));
      if (condition()) return;
      this.clock.advance(stepMs);
    }
    throw new Error(`never came true: ${String(condition)}`);
  }

  /** Lets both ends finish what they can without time passing. */
  async settle(): Promise<void> {
    for (let at = 0; at < 20; at++) await new Promise((resolve) => setImmediate(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }

  #serve(): XdsServer<string> {
    return new XdsServer<string>(
      { clock: this.clock, log: this.log, metrics: this.metrics },
      {
        types: [
          { typeUrl: TEXT, source: this.cache.store(TEXT) },
          { typeUrl: NOTE, source: this.cache.store(NOTE), label: "note" },
        ],
        ...this.#options,
      },
    );
  }
}
