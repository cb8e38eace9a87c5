// SPDX-License-Identifier: Apache-2.0
// Real traffic through real proxies in network namespaces. Needs root: `npx vitest run --project netns packages/ztunnel`.
import { canUseNetns } from "@ambientmesh/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMesh, type Mesh } from "../testbed/mesh.ts";

describe.runIf(canUseNetns(process.env))("traffic", () => {
  let mesh: Mesh;
  beforeAll(async () => {
    mesh = await startMesh({ nodes: { n1: ["client", "server", "plain-client"], n2: ["far", "plain-server"] } });
    for (const pod of ["server", "far", "plain-server"]) await mesh.echo(pod);
  });
  afterAll(async () => {
    await mesh?.[Symbol.asyncDispose]();
  });

  it("between captured pods of one node", async () => {
    const node = mesh.node("n1");
    const answer = await mesh.request("client", mesh.pod("server").address, 8080);
    for (const r of node.records)
      process.stderr.write(
        JSON.stringify([
          r.level,
          r.scope,
          r.message,
          r.fields
            .filter(([n]) => n !== "config")
            .map(([n, v]) => [n, v instanceof Error ? [v.message, (v as { code?: string }).code, String(v.cause)] : v]),
        ]) + "\n",
      );
    expect(answer).toBe("hello worldhello world");
    await expect.poll(() => node.access().length).toBe(2);
    expect(node.access()).toEqual([]);
  });
});
