// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..", "..", "..");
const MAIN = join(ROOT, "packages", "cli", "src", "main.ts");

function ambientctl(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, ["--conditions=@ambientmesh/source", MAIN, ...args], {
    cwd: ROOT,
    timeout: 25_000,
  });
}

it("prints what istiod makes of files and folders", async () => {
  const { stdout } = await ambientctl("translate", "-f", "examples/bookshop", "examples/policies", "-o", "json");
  const { resources, statuses } = JSON.parse(stdout) as { resources: { name: string }[]; statuses: unknown[] };
  expect(resources.map(({ name }) => name)).toEqual([
    "bookshop/only-customers",
    "bookshop/catalog.bookshop.svc.cluster.local",
    "bookshop/storefront.bookshop.svc.cluster.local",
  ]);
  expect(statuses).toMatchObject([
    { kind: "AuthorizationPolicy", conditions: [{ type: "ZtunnelAccepted", status: "True" }] },
  ]);
});

it("passes on what istiod refuses", async () => {
  const asked = ambientctl("translate", "-f", "examples/policies", "--for", "waypoint:shop/w");
  await expect(asked).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("not supported") as string });
});
