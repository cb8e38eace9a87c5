// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { RevocationSet } from "@ambientmesh/spiffe";
import { expect, it } from "vitest";
import { CertificateAuthority } from "../../src/index.ts";

it("the README's example is the one that runs, and it is true", async () => {
  const readme = await readFile(join(import.meta.dirname, "../../README.md"), "utf8");
  const example = await readFile(join(import.meta.dirname, "readme-example.ts"), "utf8");
  expect(/```ts\n([^]*?)```/.exec(readme)?.[1]).toBe(example.replace(/^.*\n/, ""));
  const { svid, list, kept } = await import("./readme-example.ts");
  const path = [...svid.certificateChain, ...svid.trustBundle.roots];
  expect(RevocationSet.parse(list, "the list").findRevoked(path)).toBe(path[0]);
  expect(new CertificateAuthority(kept).rootsPem).toBe(svid.trustBundle.roots[0]?.pem);
});
