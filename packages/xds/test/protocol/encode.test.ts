// SPDX-License-Identifier: Apache-2.0
import { DeltaDiscoveryResponseSchema, DiscoveryResponseSchema } from "@ambientmesh/api/discovery";
import { fromBinary, toJson, create, createRegistry } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encodeResource } from "../../src/cache/resource.ts";
import { deltaRemovalSize, deltaResourceSize, encodeDelta, encodeSotw } from "../../src/protocol/encode.ts";

const anyText = fc.string({ unit: "grapheme", maxLength: 300 });
const input = fc.record({
  name: anyText,
  value: fc.uint8Array({ maxLength: 20_000 }),
  aliases: fc.array(fc.string({ minLength: 1, unit: "grapheme" }), { maxLength: 4 }),
});
const head = fc.record({ typeUrl: anyText, version: anyText, nonce: anyText });

test("a delta response reads back as what was put in (property)", () => {
  fc.assert(
    fc.property(
      head,
      fc.array(input, { maxLength: 8 }),
      fc.array(fc.string({ minLength: 1 })),
      fc.boolean(),
      (responseHead, inputs, removed, withAliases) => {
        const resources = inputs.map((each) => encodeResource(responseHead.typeUrl, each));
        const bytes = encodeDelta(responseHead, { resources, removed, withAliases });
        const read = fromBinary(DeltaDiscoveryResponseSchema, bytes);
        expect(read).toMatchObject({
          typeUrl: responseHead.typeUrl,
          nonce: responseHead.nonce,
          systemVersionInfo: responseHead.version,
          removedResources: removed,
        });
        expect(read.resources.map(({ name, aliases, version }) => ({ name, aliases, version }))).toEqual(
          resources.map(({ name, aliases, version }) => ({ name, version, aliases: withAliases ? aliases : [] })),
        );
        for (const [at, { resource }] of read.resources.entries()) {
          expect(resource?.typeUrl).toBe(responseHead.typeUrl);
          expect(Buffer.from(resource?.value ?? []).equals(inputs[at]?.value ?? Buffer.alloc(0))).toBe(true);
        }
        const size =
          resources.reduce((sum, each) => sum + deltaResourceSize(each, withAliases), 0) +
          removed.reduce((sum, name) => sum + deltaRemovalSize(name), 0);
        const empty = encodeDelta(responseHead, { resources: [], removed: [], withAliases });
        expect(bytes.length).toBe(size + empty.length);
      },
    ),
    { numRuns: 200 },
  );
});

test("a state-of-the-world response reads back as what was put in (property)", () => {
  fc.assert(
    fc.property(head, fc.array(input, { maxLength: 8 }), (responseHead, inputs) => {
      const resources = inputs.map((each) => encodeResource(responseHead.typeUrl, each));
      const read = fromBinary(DiscoveryResponseSchema, encodeSotw(responseHead, resources));
      expect(read).toMatchObject({
        typeUrl: responseHead.typeUrl,
        nonce: responseHead.nonce,
        versionInfo: responseHead.version,
      });
      expect(read.resources.map(({ value }) => Buffer.from(value).toString("hex"))).toEqual(
        inputs.map(({ value }) => Buffer.from(value).toString("hex")),
      );
    }),
    { numRuns: 100 },
  );
});

test("the Any is one that protobuf libraries unpack", () => {
  const { any } = encodeResource("type.googleapis.com/google.protobuf.Any", { name: "a", value: new Uint8Array() });
  const read = fromBinary(AnySchema, any);
  expect(toJson(AnySchema, read, { registry: createRegistry(AnySchema) })).toEqual(
    toJson(AnySchema, create(AnySchema, { typeUrl: read.typeUrl }), { registry: createRegistry(AnySchema) }),
  );
});
