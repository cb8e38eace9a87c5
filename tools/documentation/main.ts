// SPDX-License-Identifier: Apache-2.0
// `npm run docs`: writes the generated pages under docs/reference again.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PAGES } from "./pages.ts";

const root = join(import.meta.dirname, "..", "..");
for (const [path, render] of PAGES) {
  writeFileSync(join(root, path), await render(root));
  console.log(`wrote ${path}`);
}
