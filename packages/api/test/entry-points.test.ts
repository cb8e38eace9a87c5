// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, it, test } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { envoyRegistry } from "../src/envoy/index.ts";

const ROOT = join(import.meta.dirname, "..");
const PACKAGES = join(ROOT, "..");
const IMPORT = /^(?:import|export) (?!type )(?:[^;]*? from )?"([^"]+)"/gm;

/** The files of this package that a file loads, itself included, relative to src. */
function loaded(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, specifier = ""] of readFileSync(file, "utf8").matchAll(IMPORT)) {
    if (specifier.startsWith(".")) loaded(join(dirname(file), specifier), found);
  }
  return found;
}

const envoyFiles = (entry: string): string[] =>
  [...loaded(join(ROOT, "src", entry))]
    .map((file) => relative(join(ROOT, "src"), file))
    .filter((file) => file.startsWith("gen/envoy/"))
    .toSorted();

test.each(["index.ts", "workload.ts", "security.ts", "ca.ts", "zds.ts", "kubernetes/index.ts", "istio/index.ts"])(
  "%s loads nothing of Envoy",
  (entry) => {
    expect(envoyFiles(entry)).toEqual([]);
  },
);

test("the validator loads the annotations it reads and nothing else that is generated", () => {
  const generated = [...loaded(join(ROOT, "src/validate/index.ts"))].filter((file) => file.includes("/gen/"));
  expect(generated.map((file) => relative(join(ROOT, "src/gen"), file)).toSorted()).toEqual([
    "udpa/annotations/sensitive_pb.ts",
    "validate/validate_pb.ts",
  ]);
});

test("discovery loads a few small files of Envoy", () => {
  expect(envoyFiles("discovery.ts").filter((file) => !file.startsWith("gen/envoy/config/core/"))).toEqual([
    "gen/envoy/annotations/deprecation_pb.ts",
    "gen/envoy/service/discovery/v3/ads_pb.ts",
    "gen/envoy/service/discovery/v3/discovery_pb.ts",
    "gen/envoy/type/v3/percent_pb.ts",
    "gen/envoy/type/v3/semantic_version_pb.ts",
  ]);
});

it("neither the node proxy nor the CNI agent, nor a library under them, loads Envoy's configuration", () => {
  const names = ["ztunnel", "cni", "xds", "authz", "ca", "hbone", "kube", "linux", "spiffe", "telemetry"];
  const sources = names
    .map((name) => join(PACKAGES, name, "src"))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)))
    .filter((file) => file.endsWith(".ts"));
  expect(sources.length).toBeGreaterThan(100);
  const loading = sources.filter((file) => /["']@ambientmesh\/api\/envoy/.test(readFileSync(file, "utf8")));
  expect(loading).toEqual([]);
});

it("every subpath names files that exist", () => {
  for (const [subpath, target] of Object.entries(manifest.exports)) {
    if (typeof target === "string" || subpath.includes("*")) continue;
    expect({ subpath, exists: existsSync(join(ROOT, target["@ambientmesh/source"])) }).toEqual({
      subpath,
      exists: true,
    });
  }
});

it("the registry holds the messages of every generated file of Envoy", () => {
  const files = readdirSync(join(ROOT, "src/gen"), { recursive: true, encoding: "utf8" }).filter((file) =>
    /^(?:envoy|xds|udpa)\/.*_pb\.ts$/.test(file),
  );
  const names = files.flatMap((file) =>
    [...readFileSync(join(ROOT, "src/gen", file), "utf8").matchAll(/Message<"([^"]+)">/g)].map(([, name = ""]) => name),
  );
  expect(names.length).toBeGreaterThan(500);
  expect(names.filter((name) => envoyRegistry.getMessage(name) === undefined)).toEqual([]);
});
