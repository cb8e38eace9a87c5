// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import type { AuthorizationPolicy, PolicyRule } from "@ambientmesh/api/istio";
import { ACCOUNTS, IPS, NAMESPACES, PORTS, TRUST_DOMAINS } from "./connections.ts";

type Spec = NonNullable<AuthorizationPolicy["spec"]>;

/** A policy object with sensible names. */
export function policyOf(spec: Spec, metadata: Partial<AuthorizationPolicy["metadata"]> = {}): AuthorizationPolicy {
  return {
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    metadata: { name: "p", namespace: "app", ...metadata },
    spec,
  };
}

const list = (...values: string[]) => fc.array(fc.constantFrom(...values), { maxLength: 2 });
const patterns = (values: readonly string[]) =>
  list(...values, ...values.map((v) => `${v.slice(0, 2)}*`), ...values.map((v) => `*${v.slice(-2)}`), "*", "");
const principals = ["td/ns/app/sa/web", "spiffe://td2/ns/app/sa/db", "td/ns/*", "*/sa/web", "*", "http://x", ""];
const accounts = [...ACCOUNTS, ...NAMESPACES.flatMap((n) => ACCOUNTS.map((a) => `${n}/${a}`)), "a/b/c", "*"];
const blocks = [...IPS, "10.0.0.0/24", "0.0.0.0/0", "fd00::/8", "bad", "10.0.0.0/40"];
const ports = [...PORTS.map(String), "0", "http"];
const trustDomains = [...TRUST_DOMAINS, "td*", "*", "*d", "a/b"];

const optional = <T>(model: { [Key in keyof T]: fc.Arbitrary<T[Key]> }) => fc.record(model, { requiredKeys: [] });

const source = optional({
  principals: list(...principals),
  notPrincipals: list(...principals),
  namespaces: patterns(NAMESPACES),
  notNamespaces: patterns(NAMESPACES),
  serviceAccounts: list(...accounts),
  notServiceAccounts: list(...accounts),
  ipBlocks: list(...blocks),
  notIpBlocks: list(...blocks),
  trustDomains: list(...trustDomains),
  notTrustDomains: list(...trustDomains),
});
const operation = optional({ ports: list(...ports), notPorts: list(...ports) });
const httpSource = optional({ requestPrincipals: list("*"), notRemoteIpBlocks: list("10.0.0.1") });
const httpOperation = optional({ methods: list("GET"), notPaths: list("/x") });

const valuesOf: Readonly<Record<string, string[]>> = {
  "source.ip": blocks,
  "destination.ip": blocks,
  "source.namespace": [...NAMESPACES, "*", "pro*", ""],
  "source.principal": principals,
  "source.serviceAccount": accounts,
  "source.trustDomain": trustDomains,
  "destination.port": ports,
  "request.headers[x]": ["y"],
};
const condition = fc.constantFrom(...Object.keys(valuesOf)).chain((key) =>
  fc.record({
    key: fc.constant(key),
    values: list(...(valuesOf[key] ?? [])),
    notValues: list(...(valuesOf[key] ?? [])),
  }),
);

/** Mostly L4, now and then with HTTP attributes, with values that can't be read among the others. */
const sometimes = <T extends object>(plain: fc.Arbitrary<T>, more: fc.Arbitrary<object>): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 4, arbitrary: plain },
    { weight: 1, arbitrary: fc.tuple(plain, more).map(([a, b]) => Object.assign({}, a, b)) },
  );

const rule: fc.Arbitrary<PolicyRule> = fc.record(
  {
    from: fc.array(fc.record({ source: sometimes(source, httpSource) }), { maxLength: 3 }),
    to: fc.array(fc.record({ operation: sometimes(operation, httpOperation) }), { maxLength: 2 }),
    when: fc.array(condition, { maxLength: 2 }),
  },
  { requiredKeys: [] },
);

/** Policies of any shape the API server would let through, in a small world. */
export const policies: fc.Arbitrary<AuthorizationPolicy> = fc
  .record({
    namespace: fc.constantFrom(...NAMESPACES),
    name: fc.constantFrom("a", "b", "c"),
    isDryRun: fc.boolean(),
    spec: fc.record(
      {
        action: fc.constantFrom("ALLOW" as const, "DENY" as const, "DENY" as const, "AUDIT" as const),
        selector: fc.constantFrom({}, { matchLabels: { app: "web" } }),
        rules: fc.array(rule, { maxLength: 3 }),
      },
      { requiredKeys: ["rules"] },
    ),
  })
  .map(({ namespace, name, isDryRun, spec }) =>
    policyOf(spec, { namespace, name, annotations: isDryRun ? { "istio.io/dry-run": "true" } : {} }),
  );
