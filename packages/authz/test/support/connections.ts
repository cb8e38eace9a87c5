// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { connectionFacts, type Connection, type ConnectionFacts } from "../../src/index.ts";

/** A connection from the workload ns/sa; without an account the client is plaintext. */
export function from(
  account: string | undefined,
  over: Partial<Connection> & { trustDomain?: string } = {},
): ConnectionFacts {
  const [namespace = "", serviceAccount = ""] = account?.split("/") ?? [];
  const { trustDomain = "td", ...rest } = over;
  return connectionFacts({
    sourceIp: "10.0.0.1",
    destinationIp: "10.0.0.2",
    destinationPort: 8080,
    identity: account === undefined ? undefined : { trustDomain, namespace, serviceAccount },
    ...rest,
  });
}

/** Small worlds, so that values of policies and connections meet. */
export const NAMESPACES = ["app", "other", "prod-1", "root"] as const;
export const ACCOUNTS = ["web", "db"] as const;
export const TRUST_DOMAINS = ["td", "td2", "cluster.local"] as const;
export const IPS = ["10.0.0.1", "10.0.1.1", "192.168.0.1", "fd00::1"] as const;
export const PORTS = [80, 81, 8080] as const;

const identities = fc.record({
  trustDomain: fc.constantFrom(...TRUST_DOMAINS),
  namespace: fc.constantFrom(...NAMESPACES),
  serviceAccount: fc.constantFrom(...ACCOUNTS),
});

export const connections: fc.Arbitrary<Connection> = fc.record({
  sourceIp: fc.constantFrom(...IPS),
  destinationIp: fc.constantFrom(...IPS),
  destinationPort: fc.constantFrom<number>(...PORTS),
  identity: fc.option(identities, { nil: undefined }),
});
