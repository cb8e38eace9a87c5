// SPDX-License-Identifier: Apache-2.0
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
} from "@ambientmesh/api/discovery";
import { silentLogger, type Logger, type Service } from "@ambientmesh/core";
import { create } from "@bufbuild/protobuf";
import { xdsErrors } from "../errors.ts";
import { DELTA_METHOD } from "../protocol/methods.ts";
import { DeltaType, type AnyDeltaType, type DeltaTypeStatus } from "./delta-type.ts";
import type { DemandOptions, DemandOutcome } from "./demand-table.ts";
import type { NodeInit } from "./node.ts";
import { StreamLoop, type ConnectionStatus, type StreamHandler, type XdsClientDeps } from "./stream-loop.ts";
import { SyncGate } from "./sync-gate.ts";
import type { XdsCall } from "./transport.ts";

/** What a delta client follows. */
export interface DeltaClientOptions {
  /** Who asks; read again for each stream. */
  readonly node: () => NodeInit;
  /** In request order. */
  readonly types: readonly AnyDeltaType[];
  /** Names of one type that may be demanded at once. Default 50,000. */
  readonly maxDemandedNames?: number;
}

/** How a delta client stands. */
export interface DeltaClientStatus {
  readonly connection: ConnectionStatus;
  readonly isSynced: boolean;
  readonly types: readonly DeltaTypeStatus[];
}

type Call = XdsCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

/**
 * Follows a discovery server by the delta protocol. The resources themselves belong to the owner of each type; the
 * client remembers names and versions, so that after a reconnect only what differs is sent. While the server is away,
 * the owner keeps what it has.
 *
 * @example
 * const client = new DeltaClient({ transport, clock: systemClock }, {
 *   node: () => ({ id: "ztunnel~10.0.0.1~ztunnel-1.istio-system~istio-system.svc.cluster.local" }),
 *   types: [deltaType({ typeUrl: ADDRESS_TYPE_URL, decode, apply })],
 * });
 * await client.start(); // every wildcard type was accepted once
 */
export class DeltaClient implements Service {
  readonly #log: Logger;
  readonly #options: DeltaClientOptions;
  readonly #types = new Map<string, DeltaType>();
  readonly #loop: StreamLoop<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
  readonly #gate: SyncGate;
  #call: Call | undefined;

  constructor(deps: XdsClientDeps, options: DeltaClientOptions) {
    this.#log = deps.log ?? silentLogger;
    this.#options = options;
    for (const type of options.types) {
      const maxDemandedNames = options.maxDemandedNames ?? 50_000;
      const send = (request: DeltaDiscoveryRequest): void => void this.#call?.send(request);
      this.#types.set(type.typeUrl, new DeltaType(type, { clock: deps.clock, send, maxDemandedNames }));
    }
    const handler: StreamHandler<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = {
      opened: (call) => this.#opened(call),
      received: (response) => this.#received(response),
      ended: () => {
        this.#call = undefined;
      },
    };
    this.#loop = new StreamLoop(deps, DELTA_METHOD, handler);
    this.#gate = new SyncGate(this.#log);
    this.#noteSynced();
  }

  /** True once every wildcard type was accepted in full once. */
  get isSynced(): boolean {
    return [...this.#types.values()].every((type) => type.isSynced);
  }

  /** Connects; resolves when {@link isSynced}, however long that takes. */
  start(signal?: AbortSignal): Promise<void> {
    return this.#gate.start((stop) => this.#loop.run(stop), signal);
  }

  /**
   * Asks for a resource of an on-demand type by name or alias, and waits for the answer. Any number of callers may wait
   * for one name; only one request is sent.
   * @throws MeshError XDS_OPTION_INVALID if the type is not on-demand
   */
  demand(typeUrl: string, name: string, options: DemandOptions): Promise<DemandOutcome> {
    return this.#type(typeUrl).demand(name, options);
  }

  /**
   * Sets the names of a named type; what is no longer among them is removed from the owner's state.
   * @throws MeshError XDS_OPTION_INVALID if the type is not named
   */
  async subscribe(typeUrl: string, names: Iterable<string>): Promise<void> {
    await this.#type(typeUrl).subscribe(new Set(names), this.#options.node());
  }

  status(): DeltaClientStatus {
    const types = [...this.#types.values()].map((type) => type.status());
    return { connection: this.#loop.status, isSynced: this.isSynced, types };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#gate[Symbol.asyncDispose]();
  }

  #type(typeUrl: string): DeltaType {
    const type = this.#types.get(typeUrl);
    if (type) return type;
    throw xdsErrors.create("XDS_OPTION_INVALID", `the client has no type ${typeUrl}; name it in the option "types"`);
  }

  #opened(call: Call): DeltaDiscoveryRequest[] {
    this.#call = call;
    const node = this.#options.node();
    return [...this.#types.values()].map((type) => type.first(node)).filter((request) => request !== undefined);
  }

  async #received(response: DeltaDiscoveryResponse): Promise<DeltaDiscoveryRequest> {
    const { typeUrl, nonce, resources } = response;
    const type = this.#types.get(typeUrl);
    const bytes = resources.reduce((sum, { resource }) => sum + (resource?.value.length ?? 0), 0);
    this.#loop.count(type ? typeUrl : "unknown", bytes);
    if (!type) {
      this.#log.warn("the server sent a type nobody asked for", { typeUrl });
      return create(DeltaDiscoveryRequestSchema, { typeUrl, responseNonce: nonce });
    }
    const answer = await type.received(response);
    if (answer.errorDetail) this.#log.warn("rejecting resources", { typeUrl, reason: answer.errorDetail.message });
    this.#noteSynced();
    return answer;
  }

  #noteSynced(): void {
    if (this.isSynced) this.#gate.open();
  }
}
