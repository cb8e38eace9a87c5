// SPDX-License-Identifier: Apache-2.0
// A unit test for an AuthorizationPolicy: who may, who may not, and the reason in words when an expectation fails.
//
//     node --test policy-in-a-test.ts
//
import { ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import type { AuthorizationPolicy } from "@ambientmesh/api/istio";
import {
  PolicySet,
  compileAuthorizationPolicy,
  connectionFacts,
  explanationText,
  validateAuthorizationPolicy,
  type Explanation,
} from "@ambientmesh/authz";

// As it would stand in a YAML file.
const policy: AuthorizationPolicy = {
  apiVersion: "security.istio.io/v1",
  kind: "AuthorizationPolicy",
  metadata: { name: "catalog-readers", namespace: "shop" },
  spec: {
    action: "ALLOW",
    rules: [
      {
        from: [{ source: { principals: ["cluster.local/ns/shop/sa/storefront"] } }],
        to: [{ operation: { ports: ["8080"] } }],
      },
    ],
  },
};

const compiled = compileAuthorizationPolicy(policy, { rootNamespace: "istio-system", allowDryRun: false });
if (compiled.kind !== "compiled") throw new Error(`the policy can't be enforced by a node proxy: ${compiled.kind}`);
const policies = new PolicySet();
policies.set(compiled.policy);

/** What happens to a connection from an account of the namespace shop to a pod of that namespace. */
function whenCalledBy(serviceAccount: string, destinationPort: number): Explanation {
  const identity = { trustDomain: "cluster.local", namespace: "shop", serviceAccount };
  const facts = connectionFacts({ sourceIp: "10.0.0.1", destinationIp: "10.0.0.2", destinationPort, identity });
  return policies.explain({ namespace: "shop", policyNames: [] }, facts);
}

void test("the policy is well-formed", () => {
  strictEqual(validateAuthorizationPolicy(policy).length, 0);
  strictEqual(compiled.problems.length, 0);
});

void test("the storefront may read the catalogue", () => {
  const explanation = whenCalledBy("storefront", 8080);
  ok(explanation.verdict.allowed, explanationText(explanation));
});

void test("nobody else may, and the explanation says why", () => {
  const explanation = whenCalledBy("visitor", 8080);
  strictEqual(explanation.verdict.allowed, false);
  ok(explanationText(explanation).includes("no  source principal is one of cluster.local/ns/shop/sa/storefront"));
});

void test("nor may the storefront use another port", () => {
  ok(!whenCalledBy("storefront", 9090).verdict.allowed);
});
