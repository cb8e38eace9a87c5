// SPDX-License-Identifier: Apache-2.0
// Needs root: makes network namespaces. Run: npx vitest run packages/cli/test/netns/readme.test.ts
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startLocalMesh } from "@ambientmesh/cli";
import { expect, it } from "vitest";
import { tracesOf } from "./support/test-mesh.ts";

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));
const README = readFileSync(join(ROOT, "packages/cli/README.md"), "utf8");

it("runs the mesh of the README's example with istiod, agents and proxies, and leaves nothing behind", async () => {
  const example = /```ts\n([^]*?)```/.exec(README)?.[1] ?? "";
  expect(example).toContain("startLocalMesh({ name:");
  const name = `readme-${process.pid}`;
  {
    await using mesh = await startLocalMesh({ name, folder: join(ROOT, "examples/bookshop"), env: process.env });
    const customer = { kind: "pod", namespace: "bookshop", name: "customer" } as const;
    const { stdout } = await mesh.exec(customer, ["curl", "-s", "http://storefront/browse"]);
    expect(JSON.parse(stdout)).toMatchObject({ shop: "storefront" });
    expect(await mesh.pods("bookshop")).toHaveLength(5);
    expect((await mesh.pods("istio-system")).map(({ isReady }) => isReady)).toEqual([true, true, true, true, true]);
  }
  expect(await tracesOf(name)).toEqual([]);
}, 120_000);

it("says which pods are not ready when a mesh does not come up in time, and leaves nothing behind", async () => {
  const name = `unready-${process.pid}`;
  const starting = startLocalMesh({
    name,
    folder: join(ROOT, "examples/bookshop"),
    env: process.env,
    readyWithinMs: 1,
  });
  await expect(starting).rejects.toMatchObject({ code: "CLI_NOT_READY", message: expect.stringContaining("Pod ") });
  expect(await tracesOf(name)).toEqual([]);
}, 120_000);

it("gives up when it is told to while pods start, and leaves nothing behind", async () => {
  const name = `abort-${process.pid}`;
  const stop = new AbortController();
  const onProgress = (text: string): void => {
    if (text.startsWith("the objects of")) setTimeout(() => stop.abort(), 50);
  };
  const starting = startLocalMesh(
    { name, folder: join(ROOT, "examples/bookshop"), env: process.env, onProgress },
    stop.signal,
  );
  await expect(starting).rejects.toMatchObject({ code: "ABORTED" });
  expect(await tracesOf(name)).toEqual([]);
}, 120_000);
