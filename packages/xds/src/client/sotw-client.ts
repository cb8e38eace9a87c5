// SPDX-License-Identifier: Apache-2.0
import { DiscoveryRequestSchema, type DiscoveryRequest, type DiscoveryResponse } from "@ambientmesh/api/discovery";
import { silentLogger, type Logger, type Service } from "@ambientmesh/core";
import { create } from "@bufbuild/protobuf";
import { xdsErrors } from "../errors.ts";
import { SOTW_METHOD } from "../protocol/methods.ts";
import type { NodeInit } from "./node.ts";
import { SotwType, type AnySotwType, type SotwTypeStatus } from "./sotw-type.ts";
import { StreamLoop, type ConnectionStatus, type XdsClientDeps } from "./stream-loop.ts";
import { SyncGate } from "./sync-gate.ts";
import type { XdsCall } from "./transport.ts";

/** What a state-of-the-world client follows. */
export interface SotwClientOptions {
  /** Who asks; read again for each stream. */
  readonly node: () => NodeInit;
  /** In request order. */
  readonly types: readonly AnySotwType[];
}

/** How a state-of-the-world client stands. */
export interface SotwClientStatus {
  readonly connection: ConnectionStatus;
  readonly isSynced: boolean;
  readonly types: readonly SotwTypeStatus[];
}

/**
 * Follows a discovery server by the state-of-the-world protocol. Owners see only what differs from what they hold, as
 * with the delta client.
 */
export class SotwClient implements Service {
  readonly #log: Logger;
  readonly #options: SotwClientOptions;
  readonly #types = new Map<string, SotwType>();
  readonly #loop: StreamLoop<DiscoveryRequest, DiscoveryResponse>;
  readonly #gate: SyncGate;
  #call: XdsCall<DiscoveryRequest, DiscoveryResponse> | undefined;

  constructor(deps: XdsClientDeps, options: SotwClientOptions) {
    this.#log = deps.log ?? silentLogger;
    this.#options = options;
    const send = (request: DiscoveryRequest): void => void this.#call?.send(request);
    for (const type of options.types) this.#types.set(type.typeUrl, new SotwType(type, send));
    this.#gate = new SyncGate(this.#log);
    this.#loop = new StreamLoop(deps, SOTW_METHOD, {
      opened: (call) => {
        this.#call = call;
        const node = this.#options.node();
        return [...this.#types.values()].map((type) => type.first(node)).filter((request) => request !== undefined);
      },
      received: (response) => this.#received(response),
      ended: () => {
        this.#call = undefined;
      },
    });
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
   * Sets the names of a named type; what is no longer among them is removed from the owner's state.
   * @throws MeshError XDS_OPTION_INVALID if the client has no such type
   */
  async subscribe(typeUrl: string, names: Iterable<string>): Promise<void> {
    const type = this.#types.get(typeUrl);
    if (!type) {
      throw xdsErrors.create("XDS_OPTION_INVALID", `the client has no type ${typeUrl}; name it in the option "types"`);
    }
    await type.subscribe([...names], this.#options.node());
  }

  status(): SotwClientStatus {
    const types = [...this.#types.values()].map((type) => type.status());
    return { connection: this.#loop.status, isSynced: this.isSynced, types };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#gate[Symbol.asyncDispose]();
  }

  async #received(response: DiscoveryResponse): Promise<DiscoveryRequest> {
    const { typeUrl, nonce, versionInfo, resources } = response;
    const type = this.#types.get(typeUrl);
    this.#loop.count(
      type ? typeUrl : "unknown",
      resources.reduce((sum, { value }) => sum + value.length, 0),
    );
    if (!type) {
      this.#log.warn("the server sent a type nobody asked for", { typeUrl });
      return create(DiscoveryRequestSchema, { typeUrl, versionInfo, responseNonce: nonce });
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
