// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  formatFieldSelector,
  formatLabelSelector,
  labelMatcher,
  labelRequirements,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
} from "../../src/index.ts";
import { parsesOrRefuses } from "../support/parses-or-refuses.ts";

describe("label selectors as text", () => {
  const labels = { app: "cart", tier: "web", weight: "5", "example.com/zone": "a" };
  test.each([
    ["", true],
    ["  ", true],
    ["app", true],
    ["!app", false],
    ["! missing", true],
    ["app=cart", true],
    ["app == cart", true],
    ["app=", false],
    ["missing=", false],
    ["app!=cart", false],
    ["missing!=cart", true],
    ["app=cart,tier=db", false],
    ["app in (cart, shop)", true],
    ["app in (,shop)", false],
    ["app notin (cart)", false],
    ["missing notin (cart)", true],
    ["example.com/zone=a,!example.com/region", true],
    ["weight>4", true],
    ["weight>5", false],
    ["weight<6,weight>0", true],
    ["app>1", false],
    ["in in (in)", false],
  ])("%j", (text, expected) => {
    const requirements = parseLabelSelector(text);
    expect(matchesLabels(requirements, labels)).toBe(expected);
    expect(parseLabelSelector(formatLabelSelector(requirements))).toEqual(requirements);
  });

  test.each([
    ["=", "expected a key"],
    ["app=cart,", "expected a key"],
    ["app in cart", "expected '('"],
    ["app in (a", "expected ')'"],
    ["app within (a)", '"within" is no operator'],
    ["app=a b", "expected ',' or the end"],
    ["app=(a)", "expected ',' or the end"],
    ["a//b=c", "the key"],
    ["-a=c", "the key"],
    ["app=-c", "the value"],
    [`app=${"x".repeat(64)}`, "longer than 63"],
    ["weight>many", "one whole number"],
    ["!", "expected a key"],
    ["app!", "expected an operator"],
  ])("refuses %j", (text, message) => {
    expect(() => parseLabelSelector(text)).toThrow(message);
  });

  it("either parses or refuses with its own code, whatever the text", () => {
    const property = fc.property(
      fc.string({ unit: fc.constantFrom(...Array.from("ab/.-=!<>(),in \t\\ü\0")) }),
      (text) =>
        parsesOrRefuses(text, {
          parse: parseLabelSelector,
          format: formatLabelSelector,
          code: "KUBE_SELECTOR_INVALID",
        }),
    );
    expect(fc.check(property).counterexample).toBeNull();
  });
});

describe("LabelSelector objects", () => {
  test.each([
    [undefined, true],
    [{}, true],
    [{ matchLabels: { app: "cart" } }, true],
    [{ matchLabels: { app: "shop" } }, false],
    [{ matchExpressions: [{ key: "app", operator: "In" as const, values: ["cart"] }] }, true],
    [{ matchExpressions: [{ key: "app", operator: "DoesNotExist" as const }] }, false],
    [{ matchLabels: { app: "cart" }, matchExpressions: [{ key: "x", operator: "Exists" as const }] }, false],
  ])("%j", (selector, expected) => {
    expect(labelMatcher(selector)({ app: "cart" })).toBe(expected);
  });

  it("does not look into prototypes", () => {
    expect(labelMatcher({ matchExpressions: [{ key: "toString", operator: "Exists" }] })({})).toBe(false);
    expect(labelMatcher({ matchExpressions: [{ key: "app", operator: "Exists" }] })(undefined)).toBe(false);
  });

  test.each([
    [{ key: "a b", operator: "Exists" as const }, "the key"],
    [{ key: "a", operator: "In" as const }, "at least one value"],
    [{ key: "a", operator: "Exists" as const, values: ["x"] }, "takes no values"],
    [{ key: "a", operator: "Near" as "In", values: ["x"] }, 'the operator "Near"'],
  ])("refuses %j", (requirement, message) => {
    expect(() => labelRequirements({ matchExpressions: [requirement] })).toThrow(message);
  });
});

describe("field selectors", () => {
  const valueOf = (field: string): string => ({ "metadata.name": "a,b", "spec.nodeName": "n1" })[field] ?? "";
  test.each([
    ["", true],
    ["spec.nodeName=n1", true],
    ["spec.nodeName==n1,metadata.name=a\\,b", true],
    ["spec.nodeName!=n1", false],
    ["status.phase=", true],
    ["status.phase!=", false],
    ["metadata.name=x\\=y", false],
  ])("%j", (text, expected) => {
    const requirements = parseFieldSelector(text);
    expect(matchesFields(requirements, valueOf)).toBe(expected);
    expect(parseFieldSelector(formatFieldSelector(requirements))).toEqual(requirements);
  });

  it("refuses a term without operator", () => {
    expect(() => parseFieldSelector("metadata.name")).toThrow("is not field=value");
    expect(() => parseFieldSelector("=x")).toThrow("is not field=value");
  });

  it("either parses or refuses with its own code, whatever the text", () => {
    const property = fc.property(fc.string({ unit: fc.constantFrom(...Array.from("ab.=!,\\ ü")) }), (text) =>
      parsesOrRefuses(text, {
        parse: parseFieldSelector,
        format: formatFieldSelector,
        code: "KUBE_SELECTOR_INVALID",
      }),
    );
    expect(fc.check(property).counterexample).toBeNull();
  });
});
