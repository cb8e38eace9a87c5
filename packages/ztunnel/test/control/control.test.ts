// SPDX-License-Identifier: Apache-2.0
import { create, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { AuthorizationSchema } from "@ambientmesh/api/security";
import { AddressSchema } from "@ambientmesh/api/workload";
import { connectionFacts } from "@ambientmesh/authz";
import { silentLogger } from "@ambientmesh/core";
import { parseSpiffeId, type SpiffeId } from "@ambientmesh/spiffe";
import type { ReceivedResource, ResourceType } from "@ambientmesh/xds";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { IdentityKeeper } from "../../src/control/certificates.ts";
import { nodeOf } from "../../src/control/node.ts";
import { addressType, policyType } from "../../src/control/resource-types.ts";
import { holds, resourceOf, stateOf, workload } from "../fixtures.ts";

function receive<T>(
  type: ResourceType<T>,
  resources: Readonly<Record<string, Uint8Array>>,
  removed: readonly string[] = [],
) {
  const upserted = Object.entries(resources).map(([name, bytes]): ReceivedResource<T> => ({
    name,
    version: "1",
    aliases: [],
    value: type.decode(bytes, name),
  }));
  return type.apply({ upserted, removed });
}

const address = (init: MessageInitShape<typeof AddressSchema>["type"]): Uint8Array =>
  toBinary(AddressSchema, create(AddressSchema, { ...(init && { type: init }) }));

describe("addresses", () => {
  it("reach the state", async () => {
    const state = stateOf();
    const resources = {
      u: address({ case: "workload", value: { uid: "u" } }),
      "ns/h": address({ case: "service", value: { namespace: "ns", hostname: "h" } }),
    };
    expect(await receive(addressType(state), resources)).toEqual([]);
    expect([state.workloads.size, state.services.size]).toEqual([1, 1]);
    await receive(addressType(state), {}, ["u", "ns/h"]);
    expect([state.workloads.size, state.services.size]).toEqual([0, 0]);
  });

  test.each([
    ["nothing", address(undefined), "it is neither a workload nor a service"],
    [
      "an old protocol",
      address({ case: "workload", value: { uid: "u", tunnelProtocol: 2 } }),
      "tunnelProtocol 2 is not known",
    ],
    ["no hostname", address({ case: "service", value: {} }), "hostname is empty"],
  ])("with %s are refused with the reason", (_name, bytes, reason) => {
    expect(() => addressType(stateOf()).decode(bytes, "n")).toThrow(reason);
  });
});

describe("policies", () => {
  const facts = connectionFacts({ sourceIp: "10.0.0.9", destinationIp: "10.0.0.1", destinationPort: 80 });
  const policy = (rest: MessageInitShape<typeof AuthorizationSchema>): Uint8Array =>
    toBinary(AuthorizationSchema, create(AuthorizationSchema, { namespace: "default", name: "p", scope: 1, ...rest }));
  const denyPort = (port: number): Uint8Array =>
    policy({ action: 1, groups: [{ rules: [{ matches: [{ destinationPorts: [port] }] }] }] });
  const badDeny = policy({
    action: 1,
    groups: [{ rules: [{ matches: [{ sourceIps: [{ address: new Uint8Array(3) }] }] }] }],
  });

  it("reach the state and leave it", async () => {
    const state = stateOf();
    const web = workload("web", []);
    expect(await receive(policyType(state), { "default/p": denyPort(80) })).toEqual([]);
    expect(state.policies.judge(web, facts).allowed).toBe(false);
    await receive(policyType(state), {}, ["default/p"]);
    expect(state.policies.judge(web, facts).allowed).toBe(true);
  });

  it("that are not understood are refused, and the last good version stays", async () => {
    const state = stateOf();
    await receive(policyType(state), { "default/p": denyPort(81) });
    const [rejection] = (await receive(policyType(state), { "default/p": badDeny })) ?? [];
    expect(rejection?.reason).toMatch(/policy default\/p can't be understood: groups\[0\].*sourceIps/);
    expect(state.policies.judge(workload("web", []), facts).allowed).toBe(true);
  });

  it("that are not understood and have no good version err to the safe side", async () => {
    const state = stateOf();
    expect(await receive(policyType(state), { "default/p": badDeny })).toHaveLength(1);
    expect(state.policies.judge(workload("web", []), facts).allowed).toBe(false);
  });

  it("under another name are refused", () => {
    expect(() => policyType(stateOf()).decode(denyPort(80), "default/q")).toThrow("it holds the policy default/p");
  });
});

it("reads any bytes as a resource or refuses them", () => {
  const [addresses, policies] = [addressType(stateOf()), policyType(stateOf())];
  const isHandled = (bytes: Uint8Array): boolean => {
    for (const type of [addresses, policies]) {
      try {
        type.decode(bytes, "n");
      } catch (error) {
        if (!(error instanceof Error) || error instanceof TypeError) return false;
      }
    }
    return true;
  };
  expect(holds(fc.property(fc.uint8Array({ maxLength: 80 }), isHandled))).toBe(true);
});

it("says who it is", () => {
  const node = nodeOf({
    instanceIp: "10.1.1.1",
    podName: "ztunnel-1",
    podNamespace: "istio-system",
    localNode: "node-a",
    proxyMetadata: { A: "b" },
    nodeMetadata: { N: { n: 1 } },
  });
  expect(node.id).toBe("ztunnel~10.1.1.1~ztunnel-1.istio-system~istio-system.svc.cluster.local");
  expect(node.metadata).toEqual({
    NAME: "ztunnel-1",
    NAMESPACE: "istio-system",
    INSTANCE_IPS: "10.1.1.1",
    NODE_NAME: "node-a",
    A: "b",
    N: { n: 1 },
  });
});

describe("identities", () => {
  const id = (name: string): SpiffeId => parseSpiffeId(`spiffe://cluster.local/ns/default/sa/${name}`);
  function keeper(pinned?: SpiffeId) {
    const state = stateOf();
    const events: string[] = [];
    const name = (identity: SpiffeId): string => identity.slice(identity.lastIndexOf("/") + 1);
    const secrets = {
      prefetch: (identity: SpiffeId) => events.push(`prefetch ${name(identity)}`) > 0,
      forget: (identity: SpiffeId) => void events.push(`forget ${name(identity)}`),
    };
    const subscription = new IdentityKeeper({ state, secrets, logger: silentLogger }, { pinned });
    return { state, events, subscription };
  }
  const pod = (name: string, rest = {}) => resourceOf(workload(name, [], { serviceAccount: "shared", ...rest }));

  it("of this node are fetched ahead and kept while a workload has them", () => {
    const { state, events } = keeper();
    state.applyAddresses([pod("a"), pod("b")], []);
    state.applyAddresses([], [workload("a", []).uid]);
    expect(events).toEqual(["prefetch shared", "prefetch shared"]);
    state.applyAddresses([], [workload("b", []).uid]);
    expect(events.slice(2)).toEqual(["forget shared"]);
  });

  it("of other nodes and of workloads outside the mesh are not", () => {
    const { state, events } = keeper();
    state.applyAddresses([pod("a", { node: "node-b" }), pod("b", { tunnelProtocol: 0 })], []);
    expect(events).toEqual([]);
    state.applyAddresses([pod("b", { tunnelProtocol: 0, nativeTunnel: true })], []);
    expect(events).toEqual(["prefetch shared"]);
  });

  it("change with the workload", () => {
    const { state, events } = keeper();
    state.applyAddresses([pod("a")], []);
    state.applyAddresses([pod("a", { serviceAccount: "other" })], []);
    expect(events.slice(1)).toEqual(["prefetch other", "forget shared"]);
    state.applyAddresses([pod("a", { serviceAccount: "other", tunnelProtocol: 0 })], []);
    expect(events.slice(3)).toEqual(["forget other"]);
  });

  it("of the proxy itself stay", () => {
    const { state, events, subscription } = keeper(id("shared"));
    state.applyAddresses([pod("a")], []);
    state.applyAddresses([], [workload("a", []).uid]);
    subscription[Symbol.dispose]();
    state.applyAddresses([pod("a", { serviceAccount: "late" })], []);
    expect(events).toEqual(["prefetch shared"]);
  });
});
