// SPDX-License-Identifier: Apache-2.0
// Needs root: makes control groups. Run: npx vitest run --project netns packages/cli/test/netns/cgroups.test.ts
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@ambientmesh/core";
import { expect, it } from "vitest";
import { createPodCgroups } from "../../src/local/kubelet/cgroups.ts";
import { claimPlace } from "../../src/local/run-directory/claim.ts";
import { removeLeftovers } from "../../src/local/run-directory/leftovers.ts";
import { Place } from "../../src/local/run-directory/place.ts";

it("are two meshes' own, even when users have given them the same name", async () => {
  const root = mkdtempSync(join(tmpdir(), "cli-cgroups-"));
  const places = ["a", "b"].map((user) => new Place(join(root, user), "same", "private"));
  const claims = await Promise.all(places.map((place) => claimPlace(place, "/folder", systemClock)));
  try {
    const [a, b] = claims.map(({ keeper }) => createPodCgroups("same", keeper)?.container("uid", "app"));
    expect([a, b]).toEqual([expect.stringContaining("-same-"), expect.stringContaining("-same-")]);
    expect(a).not.toBe(b);
    const left = places.map((place, index) => {
      const { current } = (claims[index] as (typeof claims)[number]).keeper;
      return removeLeftovers(place, current, { clock: systemClock });
    });
    expect((await Promise.all(left)).flat()).toEqual([]);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
