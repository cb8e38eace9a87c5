// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll } from "vitest";
import type { ApiUnderTest } from "./api-under-test.ts";
import { describeApply } from "./apply.ts";
import { describeDefinitions } from "./definitions.ts";
import { describeDiscovery } from "./discovery.ts";
import { describeLifecycle } from "./lifecycle.ts";
import { describeObjects } from "./objects.ts";
import { describePatches } from "./patches.ts";
import { describePrograms } from "./programs.ts";
import { describeTokens } from "./tokens.ts";
import { describeWatches } from "./watches.ts";

/**
 * What every Kubernetes API server that the mesh works with has to do. To be called inside a `describe`;
 * `start` connects to the server once for all tests.
 */
export function describeCompliance(start: () => Promise<ApiUnderTest>): void {
  let api: ApiUnderTest | undefined;
  beforeAll(async () => {
    api = await start();
  });
  afterAll(async () => {
    await api?.[Symbol.asyncDispose]();
  });
  const started = (): ApiUnderTest => {
    if (api === undefined) throw new Error("the API server under test has not been started");
    return api;
  };
  describeDiscovery(started);
  describeObjects(started);
  describePatches(started);
  describeApply(started);
  describeWatches(started);
  describeLifecycle(started);
  describeTokens(started);
  describePrograms(started);
  describeDefinitions(started);
}
