// SPDX-License-Identifier: Apache-2.0
import { keyOf, type ConnectionFacts } from "../engine/connection.ts";
import { cidrTest, cidrText, ipText, type Cidr } from "../values/ip.ts";
import { patternTest, patternText, type Pattern } from "../values/pattern.ts";
import type { ServiceAccountName } from "../values/service-account.ts";
import type { Leaf } from "./expression.ts";

const NO_IDENTITY = "without identity";

function oneOf(attribute: string, values: readonly string[]): () => string {
  return () => `${attribute} is one of ${values.slice(0, 20).join(", ")}${values.length > 20 ? ", ..." : ""}`;
}

/** Keys for lists of exact values. Not for the empty text, which clients without identity, and so without keys, match. */
function keysOfExact(attribute: "principal" | "namespace", patterns: readonly Pattern[]): { keys?: readonly string[] } {
  const texts = patterns.flatMap((pattern) => (pattern.kind === "exact" && pattern.text !== "" ? [pattern.text] : []));
  return texts.length === patterns.length ? { keys: texts.map((text) => keyOf(attribute, text)) } : {};
}

/** A client without identity has no principal and matches no pattern, not even an empty prefix. */
export function principalIsOneOf(patterns: readonly Pattern[]): Leaf<ConnectionFacts> {
  const test = patternTest(patterns);
  return {
    kind: "test",
    test: ({ principal }) => principal !== undefined && test(principal),
    ...keysOfExact("principal", patterns),
    describe: oneOf("source principal", patterns.map(patternText)),
    actual: ({ principal }) => principal ?? NO_IDENTITY,
  };
}

/** A client without identity is in the namespace "". */
export function sourceNamespaceIsOneOf(patterns: readonly Pattern[]): Leaf<ConnectionFacts> {
  const test = patternTest(patterns);
  return {
    kind: "test",
    test: ({ sourceNamespace }) => test(sourceNamespace),
    ...keysOfExact("namespace", patterns),
    describe: oneOf("source namespace", patterns.map(patternText)),
    actual: ({ identity }) => identity?.namespace ?? NO_IDENTITY,
  };
}

/** True for clients with one of the accounts. */
export function serviceAccountIsOneOf(accounts: readonly ServiceAccountName[]): Leaf<ConnectionFacts> {
  // Neither part contains "/", so the joined text stands for the pair.
  const names = new Set(accounts.map(({ namespace, name }) => `${namespace}/${name}`));
  const nameOf = ({ identity }: ConnectionFacts): string | undefined =>
    identity && `${identity.namespace}/${identity.serviceAccount}`;
  return {
    kind: "test",
    test: (facts) => names.has(nameOf(facts) ?? ""),
    keys: [...names].map((name) => keyOf("service account", name)),
    describe: oneOf("source service account", [...names]),
    actual: (facts) => nameOf(facts) ?? NO_IDENTITY,
  };
}

/** True for connections from an address in one of the ranges. */
export function sourceIpIsIn(cidrs: readonly Cidr[]): Leaf<ConnectionFacts> {
  const test = cidrTest(cidrs);
  return {
    kind: "test",
    test: ({ sourceIp }) => test(sourceIp),
    describe: oneOf("source ip", cidrs.map(cidrText)),
    actual: ({ sourceIp }) => ipText(sourceIp),
  };
}

/** True for connections to an address in one of the ranges. */
export function destinationIpIsIn(cidrs: readonly Cidr[]): Leaf<ConnectionFacts> {
  const test = cidrTest(cidrs);
  return {
    kind: "test",
    test: ({ destinationIp }) => test(destinationIp),
    describe: oneOf("destination ip", cidrs.map(cidrText)),
    actual: ({ destinationIp }) => ipText(destinationIp),
  };
}

/** True for connections to one of the ports. */
export function destinationPortIsOneOf(ports: readonly number[]): Leaf<ConnectionFacts> {
  const set = new Set(ports);
  return {
    kind: "test",
    test: ({ destinationPort }) => set.has(destinationPort),
    describe: oneOf("destination port", ports.map(String)),
    actual: ({ destinationPort }) => String(destinationPort),
  };
}
