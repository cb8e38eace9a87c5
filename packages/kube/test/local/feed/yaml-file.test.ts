// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { formatFeedProblem } from "../../../src/local/index.ts";
import { parseYamlFile } from "../../../src/local/feed/yaml-file.ts";

const TEXT = `# a comment
apiVersion: v1
kind: ConfigMap
metadata:
  name: a
data:
  key: value
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Secret, metadata: {name: b}}
---
---
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c"}}
`;

describe("YAML files", () => {
  it("hold any number of documents, lists among them, and know where fields are", () => {
    const { objects, problems } = parseYamlFile("a.yaml", TEXT);
    expect(problems).toEqual([]);
    expect(objects.map(({ value }) => value["kind"])).toEqual(["ConfigMap", "Secret", "Pod"]);
    const [map, secret, pod] = objects;
    expect(map?.positionOf(["data", "key"])).toEqual({ line: 7, column: 3 });
    expect(map?.positionOf(["data", "missing"])).toEqual({ line: 6, column: 1 });
    expect(map?.positionOf([])).toEqual({ line: 2, column: 1 });
    expect(secret?.positionOf(["metadata", "name"])).toEqual({ line: 12, column: 47 });
    expect(pod?.positionOf(["kind"])).toEqual({ line: 15, column: 22 });
  });

  test.each([
    ["a: [1", "a.yaml:1:6: YAML:"],
    ["a: 1\na: 2\n", "a.yaml:2:1: YAML: Map keys must be unique"],
    ["\ta: 1", "a.yaml:1:"],
    ["- a\n- b\n", "a.yaml:1:1: a document must be an object"],
    ["just text", "a.yaml:1:1: a document must be an object"],
    ["kind: List\nitems: [1]\n", "a.yaml:1:1: a document must be an object"],
    ["a: .inf\n", "a.yaml:1:1: can't be used: it holds Infinity"],
    ["? __proto__\n: {}\n", "a.yaml:1:1: can't be used"],
    [`a: ${"[".repeat(300)}${"]".repeat(300)}`, "nested deeper"],
    ["a: &a [*a]\n", "a.yaml:"],
    [
      [
        "a: &a [1,1]",
        ...Array.from(
          { length: 20 },
          (_, n) => `b${n}: &b${n} [*${n === 0 ? "a" : `b${n - 1}`},*${n === 0 ? "a" : `b${n - 1}`}]`,
        ),
      ].join("\n"),
      "alias",
    ],
  ])("tell what is wrong with %j", (text, expected) => {
    const { problems } = parseYamlFile("a.yaml", text);
    expect(problems.map(formatFeedProblem).join("\n")).toContain(expected);
  });

  test.each(["", "---\n", "# only a comment\n", "---\n---\n"])("may be empty: %j", (text) => {
    expect(parseYamlFile("a.yaml", text)).toEqual({ objects: [], problems: [] });
  });

  it("never make the parser fail, whatever the bytes", () => {
    const words = fc.constantFrom(
      "a",
      ": ",
      "- ",
      "\n",
      "  ",
      "[",
      "]",
      "{",
      "}",
      "&a ",
      "*a",
      "|",
      ">",
      "? ",
      "---\n",
      "'",
      '"',
      "!!binary ",
      "<<: ",
      "\t",
      "#",
      "%YAML 9\n",
      "\0",
      "\uFEFF",
    );
    const text = fc.oneof(
      fc.array(words, { maxLength: 30 }).map((parts) => parts.join("")),
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString("utf8")),
    );
    const property = fc.property(text, (bytes) => {
      const { objects, problems } = parseYamlFile("f", bytes);
      const positions = objects.map(({ positionOf }) => positionOf(["spec", 0, "x"]));
      return (
        problems.every(({ message }) => message !== "") &&
        positions.every(({ line, column }) => line >= 1 && column >= 1)
      );
    });
    expect(fc.check(property, { numRuns: 2000 }).counterexample).toBeNull();
  });

  it("survive nesting that exhausts the parser", () => {
    const { problems } = parseYamlFile("f", "[".repeat(200_000));
    expect(problems.length).toBeGreaterThan(0);
  });
});
