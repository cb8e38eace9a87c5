// SPDX-License-Identifier: Apache-2.0
import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse } from "@ambientmesh/api/discovery";
import type { Clock } from "@ambientmesh/core";
import { publish } from "../diagnostics.ts";
import { xdsErrors } from "../errors.ts";
import { DeltaState, type SubscriptionMode } from "./delta-state.ts";
import { DemandTable, type DemandOptions, type DemandOutcome } from "./demand-table.ts";
import type { NodeInit } from "./node.ts";
import {
  processChanges,
  receivedBytes,
  type Processed,
  type ReceivedBytes,
  type Rejection,
  type ResourceType,
} from "./resource-type.ts";
import { Turns } from "./turns.ts";

/** A type of a delta client with its message type hidden. Made by {@link deltaType}. */
export interface AnyDeltaType {
  readonly typeUrl: string;
  readonly mode: SubscriptionMode;
  process(received: readonly ReceivedBytes[], removed: readonly string[]): Promise<Processed>;
}

/** Binds a type to how its resources are decoded and applied. Default mode: wildcard. */
export function deltaType<T>(type: ResourceType<T>, mode: SubscriptionMode = "wildcard"): AnyDeltaType {
  return { typeUrl: type.typeUrl, mode, process: (received, removed) => processChanges(type, received, removed) };
}

/** One type of a client on a debug page. */
export interface DeltaTypeStatus {
  readonly typeUrl: string;
  readonly mode: SubscriptionMode;
  /** Resources held. */
  readonly resources: number;
  /** Names demanded or subscribed. */
  readonly names: number;
  readonly isSynced: boolean;
  readonly lastRejected: readonly Rejection[];
}

export interface DeltaTypeDeps {
  readonly clock: Clock;
  /** Sends on the open stream; drops the request if there is none, since the next stream starts from the state. */
  readonly send: (request: DeltaDiscoveryRequest) => void;
  readonly maxDemandedNames: number;
}

/** One type of one client: protocol state, demands and the owner's callbacks. */
export class DeltaType {
  readonly #type: AnyDeltaType;
  readonly #deps: DeltaTypeDeps;
  readonly #state: DeltaState;
  readonly #demands: DemandTable;
  readonly #turns = new Turns();
  #names: ReadonlySet<string> = new Set();
  // The first request of a type decides its subscription, so changes are held until it was made for this stream.
  #isOpen = false;

  constructor(type: AnyDeltaType, deps: DeltaTypeDeps) {
    this.#type = type;
    this.#deps = deps;
    this.#state = new DeltaState(type.typeUrl, type.mode);
    this.#demands = new DemandTable(deps.clock, deps.maxDemandedNames, ({ subscribe, unsubscribe }) => {
      if (this.#isOpen) deps.send(this.#state.resubscribe(subscribe, unsubscribe));
    });
  }

  /** Accepted in full once, or not part of the initial sync. */
  get isSynced(): boolean {
    return this.#type.mode !== "wildcard" || this.#state.isSynced;
  }

  /** The request that begins the type on a new stream. */
  first(node: NodeInit): DeltaDiscoveryRequest | undefined {
    const request = this.#state.first(node, this.#wanted());
    this.#isOpen = request !== undefined;
    return request;
  }

  received(response: DeltaDiscoveryResponse): Promise<DeltaDiscoveryRequest> {
    return this.#turns.run(async () => {
      const { nonce, removedResources } = response;
      const wanted = response.resources.filter(({ name, aliases }) => this.#isWanted([name, ...aliases]));
      const processed = await this.#type.process(wanted.map(receivedBytes), removedResources);
      const answer = this.#state.answer(nonce, processed, removedResources);
      const { rejected } = processed;
      if (rejected.length > 0) publish("ambientmesh.xds.client.rejected", { typeUrl: response.typeUrl, rejected });
      for (const { name, aliases } of response.resources) this.#demands.arrived([name, ...aliases]);
      for (const name of removedResources) this.#demands.absent(name);
      return answer;
    });
  }

  demand(name: string, options: DemandOptions): Promise<DemandOutcome> {
    this.#require("on-demand", "demand");
    return this.#demands.demand(name, options);
  }

  async subscribe(names: ReadonlySet<string>, node: NodeInit): Promise<void> {
    this.#require("named", "subscribe");
    const added = [...names].filter((name) => !this.#names.has(name));
    const dropped = [...this.#names].filter((name) => !names.has(name));
    this.#names = names;
    if (!this.#isOpen) this.#begin(node);
    else if (added.length + dropped.length > 0) this.#deps.send(this.#state.resubscribe(added, dropped));
    await this.#turns.run(async () => {
      const held = dropped.filter((name) => !this.#names.has(name) && this.#state.has(name));
      this.#state.forget(held);
      await this.#type.process([], held);
    });
  }

  status(): DeltaTypeStatus {
    const { typeUrl, mode } = this.#type;
    return {
      typeUrl,
      mode,
      resources: this.#state.size,
      names: mode === "named" ? this.#names.size : this.#demands.size,
      isSynced: this.isSynced,
      lastRejected: this.#state.lastRejected,
    };
  }

  #begin(node: NodeInit): void {
    const request = this.first(node);
    if (request) this.#deps.send(request);
  }

  #wanted(): Iterable<string> {
    return this.#type.mode === "named" ? this.#names : this.#demands.names();
  }

  // What was on its way when the owner gave a name up must not come back into its state.
  #isWanted(names: readonly string[]): boolean {
    return this.#type.mode !== "named" || names.some((name) => this.#names.has(name));
  }

  #require(mode: SubscriptionMode, what: string): void {
    if (this.#type.mode === mode) return;
    const message = `${what}() needs mode "${mode}", but ${this.#type.typeUrl} is "${this.#type.mode}"`;
    throw xdsErrors.create("XDS_OPTION_INVALID", message);
  }
}
