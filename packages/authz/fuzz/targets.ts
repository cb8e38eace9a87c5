// SPDX-License-Identifier: Apache-2.0
import { ok, strictEqual } from "node:assert/strict";
import { ISTIO_DEFINITIONS, type AuthorizationPolicy } from "@ambientmesh/api/istio";
import type { FuzzTargets } from "@ambientmesh/testkit";
import { createLocalKube } from "../../kube/src/local/index.ts";
import {
  PolicySet,
  compileAuthorization,
  compileAuthorizationPolicy,
  connectionFacts,
  explanationText,
  reasonText,
  translateAuthorizationPolicy,
  validateAuthorizationPolicy,
} from "../src/index.ts";

const local = createLocalKube({}, { definitions: ISTIO_DEFINITIONS });
const context = { rootNamespace: "istio-system", allowDryRun: true };
const target = { namespace: "app", policyNames: ["app/p"] };
const identities = [undefined, { trustDomain: "cluster.local", namespace: "app", serviceAccount: "web" }];
const facts = identities.map((identity) =>
  connectionFacts({ sourceIp: "10.0.0.1", destinationIp: "10.0.0.2", destinationPort: 80, identity }),
);

function readPolicy(input: Buffer): AuthorizationPolicy | string {
  let value: unknown;
  try {
    value = JSON.parse(input.toString("utf8"));
  } catch {
    return "no JSON";
  }
  const policy = {
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    metadata: { name: "p", namespace: "app" },
    spec: value,
  };
  const kind = local.objects.kindOf(policy);
  if (kind === undefined) throw new Error("the definition of AuthorizationPolicy is missing");
  const [issue] = local.objects.check(kind, policy as never);
  return issue === undefined ? (policy as AuthorizationPolicy) : issue.reason;
}

/** A policy that an API server lets through is judged, explained and translated; all ways come to the same verdict. */
function judge(input: Buffer): string {
  const policy = readPolicy(input);
  if (typeof policy === "string") return policy;
  const findings = validateAuthorizationPolicy(policy).length;
  const compiled = compileAuthorizationPolicy(policy, context);
  const translated = translateAuthorizationPolicy(policy, context);
  if (compiled.kind !== "compiled") return compiled.kind;
  const sets = [compiled.policy, translated.authorization && compileAuthorization(translated.authorization).policy];
  const verdicts = sets.map((each) => {
    const policies = new PolicySet();
    if (each !== undefined) policies.set(each);
    return facts.map((connection) => {
      const verdict = policies.evaluate(target, connection);
      const explained = policies.explain(target, connection);
      ok(explanationText(explained).length < 20_000 + 200 * input.length, "an explanation has no end");
      strictEqual(reasonText(explained.verdict.reason), reasonText(verdict.reason));
      return verdict.allowed;
    });
  });
  if (translated.authorization !== undefined) strictEqual(verdicts[0]?.join(), verdicts[1]?.join());
  return `${verdicts[0]?.join()} ${findings > 0} ${compiled.problems.length > 0}`;
}

const seed = (spec: object): Buffer => Buffer.from(JSON.stringify(spec));

export const targets: FuzzTargets = {
  policy: {
    run: judge,
    seeds: async () => {
      await local.start();
      return [
        seed({ action: "DENY", rules: [{ from: [{ source: { namespaces: ["ap*"], notPrincipals: ["*"] } }] }] }),
        seed({
          rules: [
            {
              from: [{ source: { ipBlocks: ["10.0.0.0/8", "::1"] } }],
              to: [{ operation: { ports: ["80"], notPorts: ["81"] } }],
            },
          ],
        }),
        seed({
          rules: [{ when: [{ key: "source.principal", values: ["cluster.local/ns/app/sa/web"], notValues: ["x"] }] }],
        }),
        seed({ rules: [{ to: [{ operation: { methods: ["GET"], paths: ["/a*"] } }] }, {}] }),
        seed({ selector: { matchLabels: { a: "b" } }, action: "AUDIT" }),
      ];
    },
    tokens: [
      '"values":[',
      '"notValues":["',
      '"key":"',
      "source.ip",
      "destination.port",
      "request.headers[x]",
      "*",
      '"DENY"',
      "serviceAccounts",
      "trustDomains",
      "notIpBlocks",
    ],
    maxLength: 4096,
  },
};
