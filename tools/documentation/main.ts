// SPDX-License-Identifier: Apache-2.0
// `npm run docs`: writes the generated pages under docs/reference and the chart's CustomResourceDefinitions again.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PAGES } from "./pages.ts";

const root = join(import.meta.dirname, "..", "..");
for (const [path, render] of PAGES) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), await render(root));
  console.log(`wrote ${path}`);
}
