// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { ok } from "node:assert/strict";
import { ISTIO_DEFINITIONS } from "@ambientmesh/api/istio";
import { isMeshError } from "@ambientmesh/core";
import { sizeOf, type FuzzTarget, type FuzzTargets } from "@ambientmesh/testkit";
import { formatFieldSelector, formatLabelSelector, parseFieldSelector, parseLabelSelector } from "../src/index.ts";
import type { Json } from "../src/json/json.ts";
import { parseForeignJson } from "../src/json/limits.ts";
import { createLocalKube } from "../src/local/index.ts";
import { checkObject } from "../src/local/feed/check-objects.ts";
import { formatFeedProblem } from "../src/local/feed/feed-problem.ts";
import { parseYamlFile } from "../src/local/feed/yaml-file.ts";
import { parseResourcePath } from "../src/local/http/request-path.ts";
import { applyJsonPatch } from "../src/local/patch/json-patch.ts";
import { applyMergePatch } from "../src/local/patch/merge-patch.ts";
import { decodeProtobufObject } from "../src/local/protobuf/decode-object.ts";
import type { Schema } from "../src/local/schema/schema.ts";
import { shapeValue } from "../src/local/schema/shape.ts";
import { structuralIssues } from "../src/local/schema/structural.ts";
import { validateValue } from "../src/local/schema/validate.ts";
import { compileJsonPath } from "../src/local/table/json-path.ts";

type Target = FuzzTarget["run"];

const words = (text: string): string => (text.match(/\b[a-z]+\b/gi) ?? []).slice(0, 4).join(" ");

/** A typed error is a proper answer; everything else is a bug. */
function reading(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (error instanceof SyntaxError) return "no JSON";
    if (!isMeshError(error)) throw error;
    return error.code;
  }
}

const local = createLocalKube({}, { definitions: ISTIO_DEFINITIONS });

/** A file of a folder as local mode takes it: text, objects, kinds, schemas; problems have a place in the file. */
const yaml: Target = (input) => {
  const text = input.toString("utf8");
  const { objects, problems } = parseYamlFile("fuzz.yaml", text);
  const lines = text.split(/\r?\n|\r/).length;
  for (const { line = 1, column = 1 } of problems)
    ok(line >= 1 && line <= lines && column >= 1, "a problem is nowhere");
  let outcome = words(problems[0]?.message ?? `${objects.length > 0} objects`);
  for (const source of objects.slice(0, 20)) {
    // Aliases may say things again, but not make much of little.
    sizeOf(source.value, 100_000 + 1000 * input.length);
    const checked = checkObject(local.objects, "fuzz.yaml", source);
    if ("problems" in checked) outcome += words(checked.problems.map(formatFeedProblem)[0] ?? "");
    else outcome += checked.fed.object.kind;
  }
  return outcome.slice(0, 200);
};

/** A definition's schema and a value for it, one after the other. */
const schema: Target = (input) => {
  const [definition, value] = input.toString("utf8").split("\n---\n", 2);
  return reading(() => {
    const shape = parseForeignJson(definition ?? "");
    const [issue] = structuralIssues(shape, ["schema"]);
    if (issue !== undefined) return `no schema: ${issue.reason} ${words(issue.message)}`;
    const { value: shaped } = shapeValue(shape as Schema, parseForeignJson(value ?? ""));
    const issues = validateValue(shape as Schema, shaped);
    sizeOf(shaped, 100_000 + 1000 * input.length);
    return issues
      .map(({ reason }) => reason)
      .slice(0, 3)
      .join();
  });
};

const DOCUMENT: Json = { a: { b: [1, 2, { c: "d" }], "e/f": null }, list: [], text: "x" };

const patch: Target = (input, random) =>
  reading(() => {
    const given = parseForeignJson(input.toString("utf8"));
    const isMerge = random(2) === 0;
    const result = isMerge ? applyMergePatch(DOCUMENT, given) : applyJsonPatch(DOCUMENT, given);
    sizeOf(result, 8 * 1024 * 1024);
    return `${isMerge} patched`;
  });

const protobuf: Target = (input) =>
  reading(() => {
    const object = decodeProtobufObject(input);
    sizeOf(object, 16_384 + 64 * input.length);
    return `${Object.keys(object).length} fields`;
  });

const selectors: Target = (input) => {
  const text = input.toString("utf8");
  const label = reading(() => {
    const parsed = parseLabelSelector(text);
    ok(isDeepStrictEqual(parseLabelSelector(formatLabelSelector(parsed)), parsed), "a label selector changed");
    return `labels ${Math.min(parsed.length, 3)}`;
  });
  const field = reading(() => {
    const parsed = parseFieldSelector(text);
    ok(isDeepStrictEqual(parseFieldSelector(formatFieldSelector(parsed)), parsed), "a field selector changed");
    return "fields";
  });
  return `${label} ${field}`;
};

const paths: Target = (input) => {
  const text = input.toString("utf8");
  const path = parseResourcePath(`/${text}`);
  const jsonPath = compileJsonPath(text);
  return `${path === undefined} ${jsonPath === undefined}`;
};

const texts = (...all: readonly (string | object)[]): Buffer[] =>
  all.map((each) => Buffer.from(typeof each === "string" ? each : JSON.stringify(each)));

const POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web, namespace: app, labels: &l {a: b}}
spec:
  selector: {matchLabels: *l}
  action: ALLOW
  rules:
    - from: [{source: {principals: ["cluster.local/ns/app/sa/web"]}}]
      to: [{operation: {ports: ["80"]}}]
`;

const CONFIG_MAP = 'k8s\0\n\x0f\n\x02v1\x12\tConfigMap\x12\x0f\n\x05\n\x01a\x1a\0\x12\x06\n\x01k\x12\x01v\x1a\0"\0';

export const targets: FuzzTargets = {
  yaml: {
    run: yaml,
    seeds: async () => {
      await local.start();
      return texts(
        POLICY,
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: a}\n",
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: s\nspec:\n  ports:\n  - port: 80\n---\n# nothing\n---\nkind: x\n",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b, *b]\n",
      );
    },
    tokens: [
      "---\n",
      "&a ",
      "*a",
      "<<: ",
      "!!binary ",
      "|2-\n",
      "? ",
      "{[",
      "kind: ",
      "apiVersion: v1\n",
      "\t",
      "~",
      "0x1f",
      "\ufeff",
    ],
    maxLength: 4096,
  },
  schema: {
    run: schema,
    seeds: () =>
      [
        [
          {
            type: "object",
            properties: { a: { type: "string", pattern: "^a*$" }, b: { type: "array", items: { type: "integer" } } },
          },
          { a: "aa", b: [1, "x"] },
        ],
        [
          { type: "object", additionalProperties: { type: "number", minimum: 1, multipleOf: 0.5 }, minProperties: 1 },
          { x: 1.25 },
        ],
        [
          {
            type: "array",
            items: { type: "object", required: ["n"], properties: { n: { type: "string", default: "d" } } },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["n"],
          },
          [{ n: "1" }, { n: "1" }],
        ],
        [{ "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] }, 7],
      ].map((pair) => Buffer.from(pair.map((part) => JSON.stringify(part)).join("\n---\n"))),
    tokens: [
      '"type":"',
      '"nullable":true',
      '"format":"date-time"',
      '"enum":[',
      '"default":',
      '"maxLength":1',
      '"not":{',
      '"oneOf":[',
      "null",
      "1e400",
    ],
    maxLength: 4096,
  },
  patch: {
    run: patch,
    seeds: () =>
      texts(
        [
          { op: "add", path: "/a/b/-", value: { x: 1 } },
          { op: "copy", from: "/a", path: "/list/0" },
        ],
        [
          { op: "test", path: "/a/e~1f", value: null },
          { op: "move", from: "/text", path: "/a/t" },
          { op: "remove", path: "/a/b/0" },
        ],
        { a: null, list: [1], text: { deep: null } },
      ),
    tokens: ['"op":"copy"', '"path":""', '"/a/b/0"', '"/__proto__/x"', '"constructor"', "/-", "~0", "~1"],
    maxLength: 4096,
  },
  protobuf: {
    run: protobuf,
    seeds: () => [Buffer.from(CONFIG_MAP, "latin1")],
    tokens: ["k8s\0", "\n\u000f\n\u0002v1\u0012\tConfigMap", "\u0012\u0005\n\u0003\n\u0001a"],
    maxLength: 4096,
  },
  selectors: {
    run: selectors,
    seeds: () => texts("a=b,c!=d,e in (f,g),h notin (i),j,!k", "metadata.name=x,spec.nodeName!=y", "x==y"),
    tokens: [" in (", " notin (", "!=", "==", ")", "example.com/", "\\,"],
    maxLength: 1024,
  },
  paths: {
    run: paths,
    seeds: () =>
      texts(
        "apis/apps/v1/namespaces/a/deployments/b/status",
        ".spec.ports[*].port",
        ".a['b.c'][?(@.x==\"y\")].z",
        "api/v1/pods",
      ),
    tokens: ["namespaces/", "%2f", "[*]", "[?(@.", "..", "\\.", "//"],
    maxLength: 512,
  },
};
