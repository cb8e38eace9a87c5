// SPDX-License-Identifier: Apache-2.0
import { DeltaDiscoveryResponseSchema, type DeltaDiscoveryResponse } from "@ambientmesh/api/discovery";
import { fromBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import type { Rejection, ResourceChanges, ResourceInput, ResourceType } from "../../src/index.ts";

/** A type whose messages are plain text; text that begins with "bad" is refused by those who apply it. */
export const TEXT = "type.googleapis.com/test.Text";
/** A second type, sent after the first. */
export const NOTE = "type.googleapis.com/test.Note";

const decoder = new TextDecoder("utf-8", { fatal: true });

export function text(name: string, value: string, more: Partial<ResourceInput> = {}): ResourceInput {
  return { name, value: Buffer.from(value), ...more };
}

/** Owns texts the way a proxy owns its state. */
export class TextOwner implements ResourceType<string> {
  readonly typeUrl: string;
  readonly texts = new Map<string, string>();
  /** Every change applied, oldest first: "name=value" or "-name". */
  readonly history: string[] = [];

  constructor(typeUrl: string = TEXT) {
    this.typeUrl = typeUrl;
  }

  /** @throws TypeError for what is not UTF-8 */
  decode(value: Uint8Array): string {
    return decoder.decode(value);
  }

  apply({ upserted, removed }: ResourceChanges<string>): Rejection[] {
    const rejected: Rejection[] = [];
    for (const { name, value } of upserted) {
      if (value.startsWith("bad")) {
        rejected.push({ name, reason: `can't use ${value}` });
        continue;
      }
      this.texts.set(name, value);
      this.history.push(`${name}=${value}`);
    }
    for (const name of removed) {
      this.texts.delete(name);
      this.history.push(`-${name}`);
    }
    return rejected;
  }
}

/** A delta response as a test reads it. */
export interface ReadResponse {
  readonly nonce: string;
  readonly texts: Record<string, string>;
  readonly removed: string[];
  readonly aliases: Record<string, string[]>;
}

export function readDelta(bytes: Uint8Array): ReadResponse {
  return readable(fromBinary(DeltaDiscoveryResponseSchema, bytes));
}

export function readable({ nonce, resources, removedResources }: DeltaDiscoveryResponse): ReadResponse {
  return {
    nonce,
    texts: Object.fromEntries(
      resources.map(({ name, resource }) => [name, decoder.decode(resource?.value ?? new Uint8Array())]),
    ),
    removed: removedResources,
    aliases: Object.fromEntries(
      resources.filter(({ aliases }) => aliases.length > 0).map(({ name, aliases }) => [name, aliases]),
    ),
  };
}

/** What a view holds, as a plain object. */
export function contentOf(view: { resources(): Iterable<{ name: string; any: Uint8Array }> }): Record<string, string> {
  return Object.fromEntries(
    [...view.resources()].map(({ name, any }) => [name, decoder.decode(fromBinary(AnySchema, any).value)]),
  );
}

/** Waits until a condition holds: by turns of the event loop at first, then every few milliseconds for some 25 s. */
export async function until(condition: () => boolean, what: string = String(condition)): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    if (condition()) return;
    await new Promise((resolve) => (turn < 2000 ? setImmediate(resolve) : setTimeout(resolve, 3)));
  }
  throw new Error(`never came true: ${what}`);
}
