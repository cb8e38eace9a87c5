// SPDX-License-Identifier: Apache-2.0
import type { Resource } from "@ambientmesh/api/discovery";
import { messageOf } from "@ambientmesh/core";
import { setImmediate as nextTurn } from "node:timers/promises";

/** A decoded resource. */
export interface ReceivedResource<T> {
  readonly name: string;
  readonly version: string;
  /** Other names it answers to; only on subscriptions by name. */
  readonly aliases: readonly string[];
  readonly value: T;
}

/** What one response changes; a name is in one of the lists only. */
export interface ResourceChanges<T> {
  /** Added or changed, in the order received. */
  readonly upserted: readonly ReceivedResource<T>[];
  /** Names that don't exist on the server; the owner may never have had them. */
  readonly removed: readonly string[];
}

/** A resource the owner can't use; it keeps the last good one of that name. */
export interface Rejection {
  readonly name: string;
  readonly reason: string;
}

/** How a type is used. The owner of the state implements it. */
export interface ResourceType<T> {
  readonly typeUrl: string;
  /**
   * Decodes one message. The bytes are a copy that the result may keep. Throwing rejects this resource and no other;
   * the error's message tells the server why.
   */
  decode(value: Uint8Array, name: string): T;
  /** Takes over all changes of a response and names those it can't use. Throwing rejects all of them. */
  apply(changes: ResourceChanges<T>): readonly Rejection[] | Promise<readonly Rejection[]>;
}

/** An encoded resource and what goes with it. */
export interface ReceivedBytes {
  readonly name: string;
  readonly version: string;
  readonly aliases: readonly string[];
  readonly value: Uint8Array;
}

/** Outcome of one response. */
export interface Processed {
  readonly accepted: readonly { readonly name: string; readonly version: string }[];
  readonly rejected: readonly Rejection[];
}

// A full state is decoded in slices, between which the event loop gets its turn.
const SLICE = 500;

/** The parts of a delta resource that matter, with an empty value where the server left it out. */
export function receivedBytes(resource: Resource): ReceivedBytes {
  const { name, version, aliases } = resource;
  return { name, version, aliases, value: resource.resource?.value ?? new Uint8Array() };
}

/** Decodes and applies what a response brings. Never rejects. */
export async function processChanges<T>(
  type: ResourceType<T>,
  received: readonly ReceivedBytes[],
  removed: readonly string[],
): Promise<Processed> {
  const decoded = new Map<string, ReceivedResource<T>>();
  const rejected: Rejection[] = [];
  for (const [at, { name, version, aliases, value }] of received.entries()) {
    if (at > 0 && at % SLICE === 0) await nextTurn();
    try {
      if (name === "") throw new TypeError("a resource without a name");
      // The bytes are a view of the whole response; a copy keeps one small message from holding all of it.
      decoded.set(name, { name, version, aliases, value: type.decode(new Uint8Array(value), name) });
    } catch (error) {
      decoded.delete(name);
      rejected.push({ name, reason: messageOf(error) });
    }
  }
  for (const name of removed) decoded.delete(name);
  return applyChanges(type, { upserted: [...decoded.values()], removed }, rejected);
}

/** Applies what could be decoded; `rejected` is what could not. Never rejects. */
export async function applyChanges<T>(
  type: ResourceType<T>,
  changes: ResourceChanges<T>,
  rejected: readonly Rejection[],
): Promise<Processed> {
  const refused = await refusedBy(type, changes);
  const bad = new Set(refused.map(({ name }) => name));
  return {
    accepted: changes.upserted.filter(({ name }) => !bad.has(name)),
    rejected: [...rejected, ...refused],
  };
}

async function refusedBy<T>(type: ResourceType<T>, changes: ResourceChanges<T>): Promise<readonly Rejection[]> {
  if (changes.upserted.length === 0 && changes.removed.length === 0) return [];
  try {
    return await type.apply(changes);
  } catch (error) {
    return changes.upserted.map(({ name }) => ({ name, reason: messageOf(error) }));
  }
}

// Enough to name every bad resource of a sane push; a server must not be sent megabytes of complaints.
const MAX_MESSAGE = 16 * 1024;

/** "name: reason" of each rejection, joined by "; " (ztunnel, Istio 1.31). */
export function rejectionMessage(rejected: readonly Rejection[]): string {
  const message = rejected.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
  return message.length <= MAX_MESSAGE ? message : `${message.slice(0, MAX_MESSAGE)}… (${rejected.length} rejected)`;
}
