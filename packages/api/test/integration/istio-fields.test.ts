// SPDX-License-Identifier: Apache-2.0
// Our definitions against those in Istio's API module, which `go` fetches (or has) where it is installed.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { ISTIO_DEFINITIONS } from "../../src/istio/index.ts";
import type { CustomResourceDefinition, CustomResourceVersion } from "../../src/kubernetes/index.ts";

const MODULE = "istio.io/api@v1.31.1";

type Source = { readonly definitions: readonly CustomResourceDefinition[] } | { readonly missing: string };

function istioDefinitions(): Source {
  const folder = mkdtempSync(join(tmpdir(), "istio-api-"));
  try {
    execFileSync("go", ["version"], { stdio: "pipe" });
    writeFileSync(join(folder, "go.mod"), "module fields\n");
    const run = { cwd: folder, encoding: "utf8", stdio: "pipe", timeout: 120_000 } as const;
    const { Dir } = JSON.parse(execFileSync("go", ["mod", "download", "-json", MODULE], run)) as { Dir: string };
    const text = readFileSync(join(Dir, "kubernetes", "customresourcedefinitions.gen.yaml"), "utf8");
    const documents = parseAllDocuments(text).map((document) => document.toJS() as CustomResourceDefinition | null);
    return { definitions: documents.filter((definition) => definition !== null) };
  } catch (error) {
    const isGoMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    if (!isGoMissing && process.env["MESH_REQUIRE_ROOT"] === "1") throw error;
    return { missing: isGoMissing ? "no Go here" : `${MODULE} can't be fetched` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Node {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly additionalProperties?: Node;
  readonly required?: readonly string[];
  readonly enum?: readonly string[];
}

/** Keywords besides those that make up the tree; Istio's CEL rules and oneOf are for the webhook to check here. */
const LIMITS = [
  "format",
  "nullable",
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "pattern",
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
  "x-kubernetes-list-type",
] as const;

/** Each field by its path, with what is allowed in it. */
function flatten(node: Node, path = "", found = new Map<string, unknown>()): Map<string, unknown> {
  const limits = Object.fromEntries(
    Object.entries(node).filter(([keyword]) => (LIMITS as readonly string[]).includes(keyword)),
  );
  found.set(path, {
    type: node.type,
    enum: node.enum?.toSorted(),
    required: node.required?.toSorted(),
    ...limits,
  });
  for (const [name, property] of Object.entries(node.properties ?? {})) flatten(property, `${path}.${name}`, found);
  if (node.items !== undefined) flatten(node.items, `${path}[]`, found);
  if (node.additionalProperties !== undefined) flatten(node.additionalProperties, `${path}{}`, found);
  return found;
}

function specFields(definition: CustomResourceDefinition, version: string): Record<string, unknown> {
  const schema = definition.spec.versions.find(({ name }) => name === version)?.schema?.openAPIV3Schema as Node;
  return Object.fromEntries([...flatten(schema.properties?.["spec"] ?? {})].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const source = istioDefinitions();
const missing = "missing" in source ? source.missing : undefined;
const theirs = "definitions" in source ? source.definitions : [];
const their = (name: string): CustomResourceDefinition | undefined =>
  theirs.find(({ metadata }) => metadata.name === name);

describe(`definitions beside Istio's (${missing === undefined ? MODULE : `skipped: ${missing}`})`, () => {
  it.skipIf(missing !== undefined).each(ISTIO_DEFINITIONS.map((own) => [own.metadata.name, own] as const))(
    "%s has Istio's names, versions, columns and fields",
    (name, own) => {
      const other = their(name);
      if (other === undefined) throw new Error(`Istio has no ${name}`);
      expect(own.spec.group).toBe(other.spec.group);
      expect(own.spec.names).toEqual(other.spec.names);
      expect(own.spec.scope).toBe(other.spec.scope);
      const versions = (definition: CustomResourceDefinition): readonly string[] =>
        definition.spec.versions.map((version) => `${version.name} ${version.served}`).toSorted();
      expect(versions(own)).toEqual(versions(other));
      for (const version of own.spec.versions) {
        expect(specFields(own, version.name)).toEqual(specFields(other, version.name));
        const otherVersion = other.spec.versions.find((candidate) => candidate.name === version.name);
        expect(version.subresources).toEqual(otherVersion?.subresources);
        const required = (candidate: CustomResourceVersion | undefined): unknown =>
          Reflect.get(candidate?.schema?.openAPIV3Schema ?? {}, "required");
        expect(required(version)).toEqual(required(otherVersion));
      }
    },
  );
});
