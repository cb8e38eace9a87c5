// SPDX-License-Identifier: Apache-2.0
// Needs root, or `unshare -Urnm`: npx vitest run --project netns packages/cni/test/netns/many-pods.test.ts
import { expect, it } from "vitest";
import { RESOURCES } from "@ambientmesh/kube";
import { runProgram } from "@ambientmesh/linux";
import { canUseNetns } from "@ambientmesh/testkit";
import { AgentBed } from "../support/agent-bed.ts";

/** A full node has 200 or so: MESH_TEST_PODS=200 takes some minutes. */
const COUNT = Number(process.env["MESH_TEST_PODS"] ?? 40);
const NAMES = Array.from({ length: COUNT }, (_, index) => `p${index}`);
const LIMIT_MS = 120_000;

it.runIf(canUseNetns(process.env))(
  "many pods created at once join, are proved, and are repaired when all lose their rules",
  async () => {
    await using bed = await AgentBed.create(NAMES);
    await bed.labelNamespace("ambient");
    await bed.startAgent({ AMBIENT_PROOF_INTERVAL: "1s" });
    await bed.connectZtunnel();
    const proved = async (): Promise<number> => {
      const pods = await bed.client.list(RESOURCES.Pod, { namespace: "shop" });
      return pods.filter(({ status }) =>
        status?.conditions?.some(({ type, status: is }) => type === "ambientmesh.io/MeshReady" && is === "True"),
      ).length;
    };
    await Promise.all(NAMES.map((name) => bed.createPod(name)));
    await until(async () => (await proved()) === NAMES.length);
    for (const { netns } of bed.net.pods) await runProgram(["nft", "flush", "ruleset"], { netns });
    const repaired = 'nodeagent_pod_repairs_total{problem="RulesMissing"}';
    await until(async () => (await bed.metric(repaired)) === String(NAMES.length));
    expect(await proved()).toBe(NAMES.length);
  },
  2 * LIMIT_MS,
);

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + LIMIT_MS;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error("it did not come about");
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
