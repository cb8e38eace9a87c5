// SPDX-License-Identifier: Apache-2.0
// `npm run table`: packs and installs every published package and prints a table of what a user gets, as Markdown.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installBlank } from "./blank-project.ts";
import { installedSize } from "./installed-size.ts";
import { packAll } from "./pack.ts";

const kilobytes = (octets: number): string => `${Math.ceil(octets / 1000).toLocaleString("en")} kB`;
const megabytes = (octets: number): string => `${(octets / 1e6).toFixed(1)} MB`;

const folder = mkdtempSync(join(tmpdir(), "ambientmesh-sizes-"));
try {
  const packages = await packAll(folder);
  const project = join(folder, "project");
  await installBlank(project, ["--install-strategy=linked", ...packages.map(({ tarball }) => tarball)]);
  console.log("| package | packed | installed with all it needs | packages from here | packages of others |");
  console.log("| --- | --: | --: | --: | --: |");
  for (const { shortName, manifest, packedSize } of packages) {
    const { octets, dependencies } = installedSize(project, manifest.name);
    const ours = dependencies.filter((name) => name.startsWith("@ambientmesh/")).length;
    const cells = [`\`${shortName}\``, kilobytes(packedSize), megabytes(octets), ours, dependencies.length - ours];
    console.log(`| ${cells.join(" | ")} |`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
