// SPDX-License-Identifier: Apache-2.0
import { DeltaDiscoveryRequestSchema, type DeltaDiscoveryRequest } from "@ambientmesh/api/discovery";
import { create } from "@bufbuild/protobuf";
import type { NodeInit } from "./node.ts";
import { rejectionMessage, type Processed, type Rejection } from "./resource-type.ts";

/**
 * What of a type the client wants. Wildcard: everything. On-demand: nothing but what is demanded, asked for in Istio's
 * way. Named: the names set by the owner, and no request at all while there are none.
 */
export type SubscriptionMode = "wildcard" | "on-demand" | "named";

const WILDCARD = "*";

/** Delta protocol of one type on the client's side, without I/O: what was accepted, and which requests follow. */
export class DeltaState {
  readonly typeUrl: string;
  readonly mode: SubscriptionMode;
  readonly #versions = new Map<string, string>();
  /** Rejections of the last response that had any. */
  lastRejected: readonly Rejection[] = [];
  #isSynced = false;

  constructor(typeUrl: string, mode: SubscriptionMode) {
    this.typeUrl = typeUrl;
    this.mode = mode;
  }

  /** How many resources the owner holds. */
  get size(): number {
    return this.#versions.size;
  }

  /** A response was accepted in full at least once. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  has(name: string): boolean {
    return this.#versions.has(name);
  }

  /** The request that begins the type on a new stream; undefined if there is nothing to ask for. */
  first(node: NodeInit, names: Iterable<string>): DeltaDiscoveryRequest | undefined {
    const asked = [...names];
    if (this.mode === "named" && asked.length === 0) return undefined;
    // Istio subscribes a client to what it claims, so a demanded name is claimed with no version.
    const pending = asked.map((name) => [name, ""] as const);
    const claims = this.mode === "on-demand" ? [...pending, ...this.#versions] : this.#versions;
    return create(DeltaDiscoveryRequestSchema, {
      typeUrl: this.typeUrl,
      node,
      initialResourceVersions: Object.fromEntries(claims),
      resourceNamesSubscribe: this.mode === "on-demand" ? [WILDCARD, ...asked] : asked,
      resourceNamesUnsubscribe: this.mode === "on-demand" ? [WILDCARD] : [],
    });
  }

  /** Takes note of a response that was processed and answers it. */
  answer(nonce: string, { accepted, rejected }: Processed, removed: readonly string[]): DeltaDiscoveryRequest {
    for (const name of removed) this.#versions.delete(name);
    for (const { name, version } of accepted) this.#versions.set(name, version);
    if (rejected.length === 0) this.#isSynced = true;
    else this.lastRejected = rejected;
    return create(DeltaDiscoveryRequestSchema, {
      typeUrl: this.typeUrl,
      responseNonce: nonce,
      ...(rejected.length > 0 && { errorDetail: { message: rejectionMessage(rejected) } }),
    });
  }

  /** The request that changes the subscription. */
  resubscribe(subscribe: readonly string[], unsubscribe: readonly string[]): DeltaDiscoveryRequest {
    return create(DeltaDiscoveryRequestSchema, {
      typeUrl: this.typeUrl,
      resourceNamesSubscribe: [...subscribe],
      resourceNamesUnsubscribe: [...unsubscribe],
    });
  }

  /** The owner no longer wants these and drops them. */
  forget(names: Iterable<string>): void {
    for (const name of names) this.#versions.delete(name);
  }
}
