// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { findTargets, keptInputs } from "./discover.ts";
import { fuzz } from "./engine.ts";

const targets = (await findTargets()).map(({ id, target }) => [id, target] as const);

describe.each(targets)("the fuzz target %s", (id, target) => {
  it("takes every input that was kept, and some changed ones", async () => {
    const observer = { taking: () => {}, progress: () => {} };
    const options = { seconds: 5, inputs: 200, seed: 1 };
    const { done, corpusSize } = await fuzz(target, keptInputs(id).values(), options, observer);
    expect(corpusSize).toBeGreaterThan(0);
    expect(done).toBeGreaterThan(0);
  });
});
