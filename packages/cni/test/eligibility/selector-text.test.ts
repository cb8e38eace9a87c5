// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { parseEnablementSelectors } from "../../src/eligibility/selector-text.ts";
import { understoodOrRefused } from "../support/understood-or-refused.ts";

describe("the text of enablement selectors", () => {
  it("may be YAML, as in Istio's chart", () => {
    const text = `
- podSelector:
    matchLabels:
      istio.io/dataplane-mode: ambient
- namespaceSelector:
    matchExpressions:
    - {key: stage, operator: NotIn, values: [dev]}
`;
    expect(parseEnablementSelectors(text)).toEqual([
      { podSelector: { matchLabels: { "istio.io/dataplane-mode": "ambient" } } },
      { namespaceSelector: { matchExpressions: [{ key: "stage", operator: "NotIn", values: ["dev"] }] } },
    ]);
  });

  it("may be JSON", () => {
    expect(parseEnablementSelectors('[{"podSelector":{}}]')).toEqual([{ podSelector: {} }]);
  });

  test.each([
    ["a: [", /is no YAML/],
    ["a: 1", /is no list of selectors/],
    ["- 1", /\[0\] is no object/],
    ["- nodeSelector: {}", /\[0\] has the unknown field "nodeSelector"/],
    ["- podSelector: x", /\[0\]\.podSelector is no object/],
    ["- podSelector: {matchLabel: {}}", /\[0\]\.podSelector has the unknown field "matchLabel"/],
    ["- podSelector: {matchLabels: {a: true}}", /\[0\]\.podSelector\.matchLabels has a value that is no text/],
    ["- podSelector: {matchExpressions: {}}", /\[0\]\.podSelector\.matchExpressions is no list/],
    ["- podSelector: {matchExpressions: [{key: a}]}", /matchExpressions\[0\] needs key, operator/],
    ["- {}\n- podSelector: {matchExpressions: [{key: a, operator: Is}]}", /\[1\]\.podSelector: .*"Is" is none of/],
    ["- podSelector: {matchLabels: {'a b': c}}", /label selector on key "a b"/],
  ])("is refused with the place of the fault: %s", (text, message) => {
    expect(() => parseEnablementSelectors(text)).toThrow(message);
  });

  it("is either understood or refused with a TypeError", () => {
    const yaml = fc.oneof(
      fc.string(),
      fc.json(),
      fc.array(fc.record({ podSelector: fc.jsonValue() })).map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(yaml, (text) => {
        const outcome = understoodOrRefused(
          () => parseEnablementSelectors(text),
          (error) => error instanceof TypeError,
        );
        expect(outcome).toMatch(/^understood$|^refused$/);
      }),
    );
  });
});
