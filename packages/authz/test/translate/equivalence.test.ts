// SPDX-License-Identifier: Apache-2.0
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { AuthorizationPolicy } from "@ambientmesh/api/istio";
import { AuthorizationSchema } from "@ambientmesh/api/security";
import {
  PolicySet,
  compileAuthorization,
  compileAuthorizationPolicy,
  connectionFacts,
  selectsWorkload,
  translateAuthorizationPolicy,
  type ConnectionFacts,
  type PolicyTarget,
} from "../../src/index.ts";
import { connections } from "../support/connections.ts";
import { policies } from "../support/policies.ts";

const context = { rootNamespace: "root", allowDryRun: true };

/** Front end 1: the objects themselves. */
function setOfObjects(objects: readonly AuthorizationPolicy[]): PolicySet {
  const set = new PolicySet();
  for (const object of objects) {
    const compiled = compileAuthorizationPolicy(object, context);
    if (compiled.kind === "compiled") set.set(compiled.policy);
  }
  return set;
}

/** Front end 2: what a node proxy makes of the bytes istiod sends. */
function setOfMessages(objects: readonly AuthorizationPolicy[]): PolicySet {
  const set = new PolicySet();
  for (const object of objects) {
    const { authorization } = translateAuthorizationPolicy(object, context);
    if (!authorization) continue;
    const received = fromBinary(AuthorizationSchema, toBinary(AuthorizationSchema, authorization));
    const { policy, problems } = compileAuthorization(received);
    expect(problems).toEqual([]);
    set.set(policy);
  }
  return set;
}

/** The order of judgement without any index: a deny, else an allow if there are some. */
function isAllowed(set: PolicySet, target: PolicyTarget, facts: ConnectionFacts): boolean {
  const policies = [...set.values()].filter(
    ({ key, namespace, scope, isDryRun }) =>
      !isDryRun &&
      (scope === "global" ||
        (scope === "namespace" && namespace === target.namespace) ||
        target.policyNames.includes(key)),
  );
  if (policies.some(({ action, matches }) => action === "deny" && matches(facts))) return false;
  const allows = policies.filter(({ action }) => action === "allow");
  return allows.length === 0 || allows.some(({ matches }) => matches(facts));
}

test("objects and the messages they become lead to equal verdicts", () => {
  const unique = fc.uniqueArray(policies, {
    maxLength: 4,
    selector: ({ metadata }) => `${metadata.namespace ?? ""}/${metadata.name}`,
  });
  fc.assert(
    fc.property(unique, fc.array(connections, { minLength: 1, maxLength: 20 }), (objects, tried) => {
      const workload = { namespace: "app", labels: { app: "web" } };
      const policyNames = objects
        .filter((object) => selectsWorkload(object, workload, context.rootNamespace))
        .map(({ metadata }) => `${metadata.namespace ?? ""}/${metadata.name}`);
      const target = { namespace: "app", policyNames };
      const [direct, translated] = [setOfObjects(objects), setOfMessages(objects)];
      for (const connection of tried) {
        const facts = connectionFacts(connection);
        const verdict = translated.evaluate(target, facts);
        expect(direct.evaluate(target, facts)).toEqual(verdict);
        expect(verdict.allowed).toBe(isAllowed(translated, target, facts));
      }
    }),
    { numRuns: 1000 },
  );
});

test("each policy matches alike", () => {
  fc.assert(
    fc.property(policies, fc.array(connections, { minLength: 5, maxLength: 20 }), (object, tried) => {
      const [direct] = setOfObjects([object]).values();
      const [translated] = setOfMessages([object]).values();
      expect(translated?.action).toBe(direct?.action);
      for (const connection of tried) {
        const facts = connectionFacts(connection);
        expect(translated?.matches(facts)).toBe(direct?.matches(facts));
      }
    }),
    { numRuns: 1000 },
  );
});
