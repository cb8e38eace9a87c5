// SPDX-License-Identifier: Apache-2.0
import { DeltaDiscoveryRequestSchema, DiscoveryRequestSchema, type Node } from "@ambientmesh/api/discovery";
import { create } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { DELTA_METHOD, SOTW_METHOD, type XdsMethod } from "../../src/index.ts";
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
const nonce = fc.option(fc.oneof(fc.constant(""), fc.string()), { nil: undefined });
const versions = fc.dictionary(fc.oneof(fc.constantFrom("a", "b", "gone"), fc.string()), fc.string());

const deltaRequest = fc.record({ typeUrl, nonce, errorDetail, subscribe: names, unsubscribe: names, versions });
const sotwRequest = fc.record({ typeUrl, nonce, errorDetail, names, versionInfo: fc.string() });
const change = fc.record({ name: fc.constantFrom("a", "b", "c"), value: fc.option(fc.string()) });

interface Change {
  readonly name: string;
  readonly value: string | null;
}
interface Ask<Request> {
  /** Undefined: the nonce of the last response. */
  readonly nonce: string | undefined;
  readonly request: (common: { node: Node; responseNonce: string }) => Request;
}

function harness(): Harness {
  const mesh = new Harness({ maxResponseBytes: 60, maxNamesPerType: 1000 });
  mesh.cache
    .store(TEXT)
    .replaceAll([text("a", "1", { aliases: ["/1"], keys: ["group"] }), text("b", "1", { keys: ["group"] })]);
  mesh.cache.flush();
  return mesh;
}

function applyChange(mesh: Harness, changed: Change): void {
  const store = mesh.cache.store(TEXT);
  if (changed.value === null) store.delete(changed.name);
  else store.set(text(changed.name, changed.value, { keys: ["group"] }));
  mesh.cache.flush();
}

/** Takes the steps and checks what must hold after them. */
async function survive<Request, Response extends { typeUrl: string; nonce: string }>(
  method: XdsMethod<Request, Response>,
  steps: readonly (Ask<Request> | Change)[],
): Promise<void> {
  await using mesh = harness();
  const call = await mesh.transport().open(method);
  const nonces: string[] = [];
  let last = "";
  const reading = (async () => {
    for await (const { typeUrl: answered, nonce: given } of call) {
      last = given;
      nonces.push(`${answered} ${given}`);
    }
  })();
  for (const step of steps) {
    if ("value" in step) applyChange(mesh, step);
    else await call.send(step.request({ node: nodeOf(), responseNonce: step.nonce ?? last }));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await mesh.settle();
  const isCurrent = mesh.server.clients().every(({ types }) => types.every((type) => type.isCurrent));
  call.close();
  await reading;
  expect(isCurrent).toBe(true);
  expect(mesh.metrics.value("pilot_total_xds_internal_errors")).toBe(0);
  expect(new Set(nonces).size).toBe(nonces.length);
}

const deltaStep = deltaRequest.map(({ nonce: given, ...ask }) => ({
  nonce: given,
  request: (common: object) =>
    create(DeltaDiscoveryRequestSchema, {
      ...common,
      typeUrl: ask.typeUrl,
      initialResourceVersions: ask.versions,
      resourceNamesSubscribe: ask.subscribe,
      resourceNamesUnsubscribe: ask.unsubscribe,
      ...(ask.errorDetail && { errorDetail: ask.errorDetail }),
    }),
}));

const sotwStep = sotwRequest.map(({ nonce: given, ...ask }) => ({
  nonce: given,
  request: (common: object) =>
    create(DiscoveryRequestSchema, {
      ...common,
      typeUrl: ask.typeUrl,
      versionInfo: ask.versionInfo,
      resourceNames: ask.names,
      ...(ask.errorDetail && { errorDetail: ask.errorDetail }),
    }),
}));

test("no sequence of delta requests makes the server fail, fall behind or repeat a nonce (property)", async () => {
  expect.hasAssertions();
  const steps = fc.array(fc.oneof(deltaStep, change), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(steps, (taken) => survive(DELTA_METHOD, taken)),
    { numRuns: 150 },
  );
});

test("no sequence of state-of-the-world requests does so either (property)", async () => {
  expect.hasAssertions();
  const steps = fc.array(fc.oneof(sotwStep, change), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(steps, (taken) => survive(SOTW_METHOD, taken)),
    { numRuns: 150 },
  );
});
