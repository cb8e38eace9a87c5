// SPDX-License-Identifier: Apache-2.0
import { DeltaDiscoveryRequestSchema, DiscoveryRequestSchema } from "@ambientmesh/api/discovery";
import { create } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { DELTA_METHOD, SOTW_METHOD } from "../../src/index.ts";
import { Harness, nodeOf } from "../support/harness.ts";
import { NOTE, TEXT, text } from "../support/texts.ts";

const name = fc.oneof(fc.constantFrom("*", "a", "b", "/1", "group", "", "__proto__", "constructor"), fc.string());
const names = fc.array(name, { maxLength: 5 });
const typeUrl = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(TEXT, NOTE) },
  { weight: 1, arbitrary: fc.string({ minLength: 1 }) },
);
const errorDetail = fc.option(fc.record({ code: fc.integer({ min: 0, max: 20 }), message: fc.string() }), {
  nil: undefined,
});
/** Undefined: the nonce of the last response. */
const nonce = fc.option(fc.oneof(fc.constant(""), fc.string()), { nil: undefined });
const versions = fc.dictionary(fc.oneof(fc.constantFrom("a", "b", "gone"), fc.string()), fc.string());

const deltaRequest = fc.record({ typeUrl, nonce, errorDetail, subscribe: names, unsubscribe: names, versions });
const sotwRequest = fc.record({ typeUrl, nonce, errorDetail, names, versionInfo: fc.string() });
const change = fc.record({ name: fc.constantFrom("a", "b", "c"), value: fc.option(fc.string()) });

function harness(): Harness {
  const mesh = new Harness({ maxResponseBytes: 60, maxNamesPerType: 1000 });
  mesh.cache
    .store(TEXT)
    .replaceAll([text("a", "1", { aliases: ["/1"], keys: ["group"] }), text("b", "1", { keys: ["group"] })]);
  mesh.cache.flush();
  return mesh;
}

function applyChange(mesh: Harness, changed: { name: string; value: string | null }): void {
  const store = mesh.cache.store(TEXT);
  if (changed.value === null) store.delete(changed.name);
  else store.set(text(changed.name, changed.value, { keys: ["group"] }));
  mesh.cache.flush();
}

test("no sequence of delta requests makes the server fail or repeat a nonce (property)", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(deltaRequest, change), { maxLength: 40 }), async (steps) => {
      await using mesh = harness();
      const call = await mesh.transport().open(DELTA_METHOD);
      const nonces: string[] = [];
      const reading = (async () => {
        for await (const response of call) nonces.push(`${response.typeUrl} ${response.nonce}`);
      })();
      for (const step of steps) {
        if ("value" in step) {
          applyChange(mesh, step);
          continue;
        }
        const responseNonce = step.nonce ?? nonces.at(-1)?.split(" ")[1] ?? "";
        const { errorDetail: detail, subscribe, unsubscribe } = step;
        const init = { typeUrl: step.typeUrl, node: nodeOf(), responseNonce, initialResourceVersions: step.versions };
        await call.send(
          create(DeltaDiscoveryRequestSchema, {
            ...init,
            resourceNamesSubscribe: subscribe,
            resourceNamesUnsubscribe: unsubscribe,
            ...(detail && { errorDetail: detail }),
          }),
        );
        await new Promise((resolve) => setImmediate(resolve));
      }
      await mesh.settle();
      expect(mesh.server.clients().every(({ types }) => types.every(({ isCurrent }) => isCurrent))).toBe(true);
      expect(mesh.metrics.value("pilot_total_xds_internal_errors")).toBe(0);
      expect(new Set(nonces).size).toBe(nonces.length);
      call.close();
      await reading;
    }),
    { numRuns: 150 },
  );
});

test("no sequence of state-of-the-world requests makes the server fail or repeat a nonce (property)", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(sotwRequest, change), { maxLength: 40 }), async (steps) => {
      await using mesh = harness();
      const call = await mesh.transport().open(SOTW_METHOD);
      const nonces: string[] = [];
      const reading = (async () => {
        for await (const response of call) nonces.push(`${response.typeUrl} ${response.nonce}`);
      })();
      for (const step of steps) {
        if ("value" in step) {
          applyChange(mesh, step);
          continue;
        }
        const responseNonce = step.nonce ?? nonces.at(-1)?.split(" ")[1] ?? "";
        const init = { typeUrl: step.typeUrl, node: nodeOf(), responseNonce, versionInfo: step.versionInfo };
        await call.send(
          create(DiscoveryRequestSchema, {
            ...init,
            resourceNames: step.names,
            ...(step.errorDetail && { errorDetail: step.errorDetail }),
          }),
        );
        await new Promise((resolve) => setImmediate(resolve));
      }
      await mesh.settle();
      expect(mesh.metrics.value("pilot_total_xds_internal_errors")).toBe(0);
      expect(new Set(nonces).size).toBe(nonces.length);
      call.close();
      await reading;
    }),
    { numRuns: 150 },
  );
});
