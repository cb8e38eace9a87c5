// SPDX-License-Identifier: Apache-2.0
import type { EncodedResource } from "../cache/resource.ts";
import { FieldWriter, fieldSize, stringSize } from "./wire.ts";

// Field numbers of envoy.service.discovery.v3.
const DELTA = { systemVersion: 1, resources: 2, typeUrl: 4, nonce: 5, removed: 6 };
const RESOURCE = { version: 1, any: 2, name: 3, aliases: 4 };
const SOTW = { version: 1, resources: 2, typeUrl: 4, nonce: 5 };

/** What every response says beside its resources. */
export interface ResponseHead {
  readonly typeUrl: string;
  readonly version: string;
  readonly nonce: string;
}

/** Content of one delta response. */
export interface DeltaContent {
  readonly resources: readonly EncodedResource[];
  readonly removed: readonly string[];
  /** Only clients that ask by name are told the other names of a resource. */
  readonly withAliases: boolean;
}

/** Bytes that a resource adds to a delta response. */
export function deltaResourceSize(resource: EncodedResource, withAliases: boolean): number {
  return fieldSize(bodySize(resource, withAliases));
}

/** Bytes that a removed name adds to a delta response. */
export function deltaRemovalSize(name: string): number {
  return stringSize(name);
}

/** An encoded `DeltaDiscoveryResponse`. */
export function encodeDelta(head: ResponseHead, content: DeltaContent): Uint8Array {
  const { resources, removed, withAliases } = content;
  let size = stringSize(head.version) + stringSize(head.typeUrl) + stringSize(head.nonce);
  for (const resource of resources) size += deltaResourceSize(resource, withAliases);
  for (const name of removed) size += deltaRemovalSize(name);
  const writer = new FieldWriter(size);
  writer.string(DELTA.systemVersion, head.version);
  for (const resource of resources) {
    writer.header(DELTA.resources, bodySize(resource, withAliases));
    writer.string(RESOURCE.version, resource.version);
    writer.field(RESOURCE.any, resource.any);
    writer.string(RESOURCE.name, resource.name);
    if (withAliases) for (const alias of resource.aliases) writer.string(RESOURCE.aliases, alias);
  }
  writer.string(DELTA.typeUrl, head.typeUrl);
  writer.string(DELTA.nonce, head.nonce);
  for (const name of removed) writer.string(DELTA.removed, name);
  return writer.bytes;
}

/** Bytes that a resource adds to a state-of-the-world response. */
export function sotwResourceSize(resource: EncodedResource): number {
  return fieldSize(resource.any.length);
}

/** An encoded `DiscoveryResponse`. */
export function encodeSotw(head: ResponseHead, resources: readonly EncodedResource[]): Uint8Array {
  let size = stringSize(head.version) + stringSize(head.typeUrl) + stringSize(head.nonce);
  for (const resource of resources) size += sotwResourceSize(resource);
  const writer = new FieldWriter(size);
  writer.string(SOTW.version, head.version);
  for (const resource of resources) writer.field(SOTW.resources, resource.any);
  writer.string(SOTW.typeUrl, head.typeUrl);
  writer.string(SOTW.nonce, head.nonce);
  return writer.bytes;
}

function bodySize(resource: EncodedResource, withAliases: boolean): number {
  let size = stringSize(resource.version) + fieldSize(resource.any.length) + stringSize(resource.name);
  if (withAliases) for (const alias of resource.aliases) size += stringSize(alias);
  return size;
}
