// SPDX-License-Identifier: Apache-2.0
import { ListenerSchema, type Listener } from "@ambientmesh/api/envoy/listener";
import type { Clock, Logger } from "@ambientmesh/core";
import { equals } from "@bufbuild/protobuf";
import type { AddressInfo } from "node:net";
import { checkResource } from "../config/resource-types.ts";
import { ConnectionManager, type ManagerDeps } from "../http/connection-manager.ts";
import { compileListener, type CompiledListener } from "../listener/compile-listener.ts";
import type { ManagerContext } from "../listener/compile-manager.ts";
import { Listening } from "../listener/listening.ts";

/** What listeners are made with. */
export interface ListenersDeps extends Omit<ManagerContext, "bufferLimit">, ManagerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How listeners behave beyond their configuration. */
export interface ListenersOptions {
  readonly maxConnections: number;
  /** How long connections of a removed listener, or of a proxy that ends, may take to end. */
  readonly drainMs: number;
}

interface Bound {
  readonly compiled: CompiledListener;
  readonly listening: Listening;
}

/** The listeners by name. A change at the same address takes effect without closing the socket. */
export class Listeners implements AsyncDisposable {
  readonly #deps: ListenersDeps;
  readonly #options: ListenersOptions;
  readonly #bound = new Map<string, Bound>();
  /** Those that wait for their routes; what was bound before by their names goes on meanwhile. */
  readonly #warming = new Map<string, CompiledListener>();
  readonly #closing = new Set<Promise<void>>();

  constructor(deps: ListenersDeps, options: ListenersOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Names of the route configurations that listeners ask for. */
  get routeNames(): ReadonlySet<string> {
    const bound = [...this.#bound.values()].map(({ compiled }) => compiled);
    return new Set([...bound, ...this.#warming.values()].flatMap(({ routeNames }) => routeNames));
  }

  /** Where a listener is bound. */
  address(name: string): AddressInfo | undefined {
    return this.#bound.get(name)?.listening.address;
  }

  get names(): readonly string[] {
    return [...this.#bound.keys()];
  }

  /**
   * Takes effect once all routes that it names are there.
   * @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED, WAYPOINT_LISTEN; the last good one stays then
   */
  async set(listener: Listener): Promise<void> {
    const known = this.#bound.get(listener.name);
    if (known && equals(ListenerSchema, known.compiled.source, listener))
      return void this.#warming.delete(listener.name);
    checkResource(ListenerSchema, listener);
    const compiled = compileListener(listener, this.#deps);
    if (this.#isWarm(compiled)) await this.#bind(compiled);
    else this.#warming.set(compiled.name, compiled);
  }

  /** Lets listeners take effect whose routes have come. */
  async routesChanged(): Promise<void> {
    for (const compiled of [...this.#warming.values()].filter((waiting) => this.#isWarm(waiting))) {
      await this.#bind(compiled).catch((error: unknown) => {
        this.#deps.logger.error("a listener can't be bound", { error, listener: compiled.name });
      });
    }
  }

  #isWarm({ routeNames }: CompiledListener): boolean {
    return routeNames.every((name) => this.#deps.routes(name) !== undefined);
  }

  async #bind(compiled: CompiledListener): Promise<void> {
    this.#warming.delete(compiled.name);
    const known = this.#bound.get(compiled.name);
    const { address, port, name, tls } = compiled;
    const manager = new ConnectionManager(compiled.manager, this.#deps);
    if (known?.listening.isAt(address, port)) {
      known.listening.replace({ manager, tls });
      this.#bound.set(name, { compiled, listening: known.listening });
      return;
    }
    const options = { address, port, maxConnections: this.#options.maxConnections };
    const listening = new Listening({ manager, tls }, options, this.#deps.logger);
    await listening.start();
    this.#bound.set(name, { compiled, listening });
    this.#deps.logger.info("listening", { listener: name, address, port: listening.address.port });
    if (known) this.#close(known.listening);
  }

  remove(name: string): void {
    const known = this.#bound.get(name);
    this.#bound.delete(name);
    this.#warming.delete(name);
    if (known) this.#close(known.listening);
  }

  /** Takes no new connections; resolves when all are closed, at the latest after the time to drain. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#bound.keys()) this.remove(name);
    await Promise.all(this.#closing);
  }

  #close(listening: Listening): void {
    const closing: Promise<void> = listening
      .close(this.#options.drainMs, this.#deps.clock)
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
