// SPDX-License-Identifier: Apache-2.0
import { DiscoveryRequestSchema, type DiscoveryRequest, type DiscoveryResponse } from "@ambientmesh/api/discovery";
import { messageOf } from "@ambientmesh/core";
import { create } from "@bufbuild/protobuf";
import { contentVersion } from "../cache/resource.ts";
import { publish } from "../diagnostics.ts";
import type { NodeInit } from "./node.ts";
import {
  applyChanges,
  rejectionMessage,
  type Processed,
  type ReceivedResource,
  type Rejection,
  type ResourceType,
} from "./resource-type.ts";
import { Turns } from "./turns.ts";

/** How a type is used by the state-of-the-world protocol, whose resources carry their name inside. */
export interface SotwResourceType<T> extends ResourceType<T> {
  nameOf(value: T): string;
}

/** Wildcard: everything, and what is missing from a response is removed. Named: the names set by the owner. */
export type SotwMode = "wildcard" | "named";

/** Outcome of one response. */
export interface SotwProcessed extends Processed {
  readonly removed: readonly string[];
}

/** A type of a state-of-the-world client with its message type hidden. Made by {@link sotwType}. */
export interface AnySotwType {
  readonly typeUrl: string;
  readonly mode: SotwMode;
  /** Compares a response with what is held (names to versions) and applies what differs. */
  process(values: readonly Uint8Array[], held: ReadonlyMap<string, string>): Promise<SotwProcessed>;
  drop(names: readonly string[]): Promise<void>;
}

/** Binds a type to how its resources are decoded and applied. */
export function sotwType<T>(type: SotwResourceType<T>, mode: SotwMode = "wildcard"): AnySotwType {
  return {
    typeUrl: type.typeUrl,
    mode,
    async process(values, held) {
      const { upserted, rejected, seen } = difference(type, values, held);
      // With a message that can't be read, nobody knows whose removal its absence would be.
      const isComplete = mode === "wildcard" && rejected.length === 0;
      const removed = isComplete ? [...held.keys()].filter((name) => !seen.has(name)) : [];
      return { ...(await applyChanges(type, { upserted, removed }, rejected)), removed };
    },
    async drop(removed) {
      await applyChanges(type, { upserted: [], removed }, []);
    },
  };
}

interface Difference<T> {
  readonly upserted: ReceivedResource<T>[];
  readonly rejected: Rejection[];
  readonly seen: ReadonlySet<string>;
}

// Resources with known bytes are not even decoded.
function difference<T>(
  type: SotwResourceType<T>,
  values: readonly Uint8Array[],
  held: ReadonlyMap<string, string>,
): Difference<T> {
  const nameOfVersion = new Map([...held].map(([name, version]) => [version, name]));
  const upserted: ReceivedResource<T>[] = [];
  const rejected: Rejection[] = [];
  const seen = new Set<string>();
  for (const [at, bytes] of values.entries()) {
    const version = contentVersion(bytes);
    const known = nameOfVersion.get(version);
    if (known !== undefined) {
      seen.add(known);
      continue;
    }
    try {
      const value = type.decode(new Uint8Array(bytes), `#${at}`);
      const name = type.nameOf(value);
      seen.add(name);
      upserted.push({ name, version, aliases: [], value });
    } catch (error) {
      rejected.push({ name: `#${at}`, reason: messageOf(error) });
    }
  }
  return { upserted, rejected, seen };
}

/** One type of a client on a debug page. */
export interface SotwTypeStatus {
  readonly typeUrl: string;
  readonly mode: SotwMode;
  /** Resources held. */
  readonly resources: number;
  /** The version accepted last; empty before the first. */
  readonly version: string;
  readonly isSynced: boolean;
  readonly lastRejected: readonly Rejection[];
}

/** One type of one client. */
export class SotwType {
  readonly #type: AnySotwType;
  readonly #send: (request: DiscoveryRequest) => void;
  readonly #held = new Map<string, string>();
  readonly #turns = new Turns();
  #names: readonly string[] = [];
  #version = "";
  #nonce = "";
  #isOpen = false;
  #isSynced = false;
  #lastRejected: readonly Rejection[] = [];

  constructor(type: AnySotwType, send: (request: DiscoveryRequest) => void) {
    this.#type = type;
    this.#send = send;
  }

  /** Accepted in full once, or not part of the initial sync. */
  get isSynced(): boolean {
    return this.#type.mode !== "wildcard" || this.#isSynced;
  }

  /** The request that begins the type on a new stream; undefined if there is nothing to ask for. */
  first(node: NodeInit): DiscoveryRequest | undefined {
    this.#nonce = "";
    this.#isOpen = this.#type.mode === "wildcard" || this.#names.length > 0;
    return this.#isOpen ? create(DiscoveryRequestSchema, { ...this.#state(), node }) : undefined;
  }

  received(response: DiscoveryResponse): Promise<DiscoveryRequest> {
    return this.#turns.run(async () => {
      this.#nonce = response.nonce;
      const values = response.resources.map(({ value }) => value);
      const { accepted, rejected, removed } = await this.#type.process(values, this.#held);
      for (const name of removed) this.#held.delete(name);
      for (const { name, version } of accepted) this.#held.set(name, version);
      if (rejected.length > 0) {
        this.#lastRejected = rejected;
        publish("ambientmesh.xds.client.rejected", { typeUrl: response.typeUrl, rejected });
        const errorDetail = { message: rejectionMessage(rejected) };
        return create(DiscoveryRequestSchema, { ...this.#state(), errorDetail });
      }
      this.#isSynced = true;
      this.#version = response.versionInfo;
      return create(DiscoveryRequestSchema, this.#state());
    });
  }

  /** Changes the names of a named type; what is given up is removed from the owner's state. */
  async subscribe(names: readonly string[], node: NodeInit): Promise<void> {
    const kept = new Set(names);
    this.#names = [...kept];
    const first = this.#isOpen ? create(DiscoveryRequestSchema, this.#state()) : this.first(node);
    if (first) this.#send(first);
    await this.#turns.run(async () => {
      const dropped = [...this.#held.keys()].filter((name) => !kept.has(name));
      for (const name of dropped) this.#held.delete(name);
      await this.#type.drop(dropped);
    });
  }

  status(): SotwTypeStatus {
    const { typeUrl, mode } = this.#type;
    const { isSynced } = this;
    const common = { typeUrl, mode, isSynced, version: this.#version, lastRejected: this.#lastRejected };
    return { ...common, resources: this.#held.size };
  }

  #state(): { typeUrl: string; versionInfo: string; responseNonce: string; resourceNames: string[] } {
    const { typeUrl } = this.#type;
    return { typeUrl, versionInfo: this.#version, responseNonce: this.#nonce, resourceNames: [...this.#names] };
  }
}
