// SPDX-License-Identifier: Apache-2.0
//
// Time of one verdict with 1,000 policies. Run from the repository's root, on an idle machine:
//   node --conditions=@ambientmesh/source packages/authz/bench/evaluate.bench.ts
import { create } from "@bufbuild/protobuf";
import { Action, AuthorizationSchema, Scope } from "@ambientmesh/api/security";
import { PolicySet, compileAuthorization, connectionFacts } from "@ambientmesh/authz";

const POLICIES = 1000;
const ROUNDS = 5;
const CALLS = 20_000;

type Source = "identities" | "addresses";

/** One policy as people write them: some sources, some ports. */
function policy(at: number, namespace: string, source: Source) {
  const principals = ["a", "b"].map((name) => ({
    matchType: { case: "exact" as const, value: `cluster.local/ns/client-${at}/sa/${name}` },
  }));
  const sourceIps = [{ address: Uint8Array.of(10, at >> 8, at & 255, 0), length: 24 }];
  const from = source === "identities" ? { principals } : { sourceIps };
  const message = create(AuthorizationSchema, {
    name: `policy-${at}`,
    namespace,
    scope: Scope.NAMESPACE,
    action: Action.ALLOW,
    groups: [{ rules: [{ matches: [{ destinationPorts: [80, 8080] }] }, { matches: [from] }] }],
  });
  return compileAuthorization(message).policy;
}

function fill(namespaceOf: (at: number) => string, source: Source): PolicySet {
  const set = new PolicySet();
  for (let at = 0; at < POLICIES; at++) set.set(policy(at, namespaceOf(at), source));
  return set;
}

const target = { namespace: "app-0", policyNames: [] };
const facts = connectionFacts({
  sourceIp: "192.168.0.1",
  destinationIp: "10.1.0.1",
  destinationPort: 8080,
  identity: { trustDomain: "cluster.local", namespace: "nobody", serviceAccount: "x" },
});

function measure(name: string, call: () => unknown): void {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now();
    for (let at = 0; at < CALLS; at++) call();
    times.push(((performance.now() - started) / CALLS) * 1000);
  }
  times.sort((a, b) => a - b);
  console.log(
    `${name}: ${times[ROUNDS >> 1]?.toFixed(2)} µs (median of ${ROUNDS} rounds, best ${times[0]?.toFixed(2)})`,
  );
}

for (const source of ["identities", "addresses"] as const) {
  const spread = fill((at) => `app-${at % 100}`, source);
  const crowded = fill(() => "app-0", source);
  measure(`1,000 policies by ${source} in 100 namespaces, none matches`, () => spread.evaluate(target, facts));
  measure(`1,000 policies by ${source} in one namespace, none matches`, () => crowded.evaluate(target, facts));
}
measure("facts of a connection", () =>
  connectionFacts({
    sourceIp: "10.0.0.1",
    destinationIp: "10.0.0.2",
    destinationPort: 80,
    identity: facts.identity,
  }),
);
