// SPDX-License-Identifier: Apache-2.0
import { create, fromBinary, type MessageInitShape, type UnknownEnum } from "@bufbuild/protobuf";
import { AddressSchema, ServiceSchema, WorkloadSchema } from "@ambientmesh/api/workload";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { decodeService } from "../../src/state/decode-service.ts";
import { decodeWorkload } from "../../src/state/decode-workload.ts";
import { holds, service, workload } from "../fixtures.ts";

const unlisted = (number: number): UnknownEnum => number as UnknownEnum;

describe("a workload", () => {
  it("gets every default", () => {
    const decoded = decodeWorkload(create(WorkloadSchema, { uid: "u", namespace: "ns" }));
    expect(decoded).toMatchObject({
      ok: true,
      value: {
        trustDomain: "cluster.local",
        serviceAccount: "default",
        identity: "spiffe://cluster.local/ns/ns/sa/default",
        clusterId: "Kubernetes",
        capacity: 1,
        protocol: "TCP",
        status: "Healthy",
        networkMode: "Standard",
        workloadType: "deployment",
        locality: { region: "", zone: "", subzone: "" },
      },
    });
  });

  it("keeps what is said", () => {
    const decoded = workload("web", ["10.0.0.1", "::ffff:10.0.0.2", "fd00::1"], {
      capacity: 0,
      status: 1,
      networkMode: 1,
      workloadType: unlisted(99),
      applicationTunnel: { protocol: 1, port: 15_088 },
      services: { "ns/host": { ports: [{ servicePort: 80, targetPort: 0 }] } },
    });
    expect(decoded).toMatchObject({
      addresses: ["10.0.0.1", "10.0.0.2", "fd00::1"],
      capacity: 0,
      status: "Unhealthy",
      networkMode: "HostNetwork",
      workloadType: "deployment",
      applicationTunnel: { protocol: "PROXY", port: 15_088 },
    });
    expect(decoded.services).toEqual(new Map([["ns/host", new Map([[80, 0]])]]));
  });

  test.each<[string, MessageInitShape<typeof WorkloadSchema>, string]>([
    ["no uid", { uid: "" }, "uid is empty"],
    ["a name that is none", { namespace: "a/b" }, expect.stringMatching(/^no identity can be made of it: .*a\/b/)],
    ["an address of 5 bytes", { addresses: [new Uint8Array(5)] }, "an address has 5 bytes, not 4 or 16"],
    ["an old tunnel protocol", { tunnelProtocol: 2 }, "tunnelProtocol 2 is not known"],
    ["an unknown status", { status: unlisted(7) }, "status 7 is not known"],
    ["an unknown network mode", { networkMode: unlisted(7) }, "networkMode 7 is not known"],
    [
      "an unknown application tunnel",
      { applicationTunnel: { protocol: unlisted(9) } },
      "applicationTunnel.protocol 9 is not known",
    ],
    [
      "a service without namespace",
      { services: { host: {} } },
      'services has the key "host", which is not namespace/hostname',
    ],
    ["a gateway without destination", { networkGateway: { hboneMtlsPort: 1 } }, "networkGateway names no destination"],
    ["a waypoint without destination", { waypoint: {} }, "waypoint names no destination"],
    [
      "a port out of range",
      { waypoint: { destination: { case: "hostname", value: {} }, hboneMtlsPort: 70_000 } },
      "waypoint.hboneMtlsPort 70000 is not a port",
    ],
  ])("with %s is refused", (_name, init, reason) => {
    expect(decodeWorkload(create(WorkloadSchema, { uid: "u", ...init }))).toEqual({ ok: false, reason });
  });
});

describe("a service", () => {
  it("separates addresses from ranges", () => {
    const decoded = service("web", ["10.0.0.1", "10.0.0.2/32", "10.1.0.0/16", "fd00::1/128", "fd00::/64"]);
    expect(decoded.vips.map(({ ip }) => ip)).toEqual(["10.0.0.1", "10.0.0.2", "fd00::1"]);
    expect(decoded.cidrVips).toEqual([
      { network: "", ip: "10.1.0.0", length: 16 },
      { network: "", ip: "fd00::", length: 64 },
    ]);
  });

  it("counts the prefix of a v4-mapped range in IPv4 bits", () => {
    const mapped = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 0, 0]);
    const decoded = decodeService(
      create(ServiceSchema, { hostname: "h", addresses: [{ address: mapped, length: 112 }] }),
    );
    expect(decoded).toMatchObject({ value: { cidrVips: [{ ip: "10.1.0.0", length: 16 }], vips: [] } });
  });

  it("keeps what is said", () => {
    const decoded = service("web", [], {
      ipFamilies: 3,
      visibility: 1,
      canonical: true,
      loadBalancing: { mode: 2, routingPreference: [6, 1, 2], healthPolicy: 1 },
      weightedWaypoints: [
        { weight: 3, destination: { destination: { case: "hostname", value: { namespace: "n", hostname: "h" } } } },
      ],
    });
    expect(decoded).toMatchObject({
      ipFamilies: "Dual",
      visibility: "Namespace",
      canonical: true,
      loadBalancer: { mode: "Failover", routingPreferences: ["Network", "Region", "Zone"], healthPolicy: "AllowAll" },
      weightedWaypoints: [{ weight: 3, gateway: { destination: { kind: "hostname", namespace: "n", hostname: "h" } } }],
    });
    expect(service("web", [], { visibility: unlisted(42) }).visibility).toBe("Public");
  });

  test.each<[string, MessageInitShape<typeof ServiceSchema>, string]>([
    ["no hostname", { hostname: "" }, "hostname is empty"],
    ["an address of 3 bytes", { addresses: [{ address: new Uint8Array(3) }] }, "addresses[0] has 3 bytes, not 4 or 16"],
    [
      "too long a prefix",
      { addresses: [{ address: new Uint8Array(4), length: 33 }] },
      "addresses[0] has a prefix of 33 bits, more than its 32",
    ],
    ["scope 0", { loadBalancing: { routingPreference: [0] } }, "routingPreference 0 is not known"],
    ["an unknown mode", { loadBalancing: { mode: unlisted(9) } }, "loadBalancing.mode 9 is not known"],
    [
      "an unknown health policy",
      { loadBalancing: { healthPolicy: unlisted(9) } },
      "loadBalancing.healthPolicy 9 is not known",
    ],
    ["unknown families", { ipFamilies: unlisted(9) }, "ipFamilies 9 is not known"],
    [
      "a weighted waypoint to nowhere",
      { weightedWaypoints: [{ weight: 1 }] },
      "weightedWaypoints[0] names no destination",
    ],
    [
      "a port out of range",
      { ports: [{ servicePort: 65_536, targetPort: 1 }] },
      "ports.servicePort 65536 is not a port",
    ],
  ])("with %s is refused", (_name, init, reason) => {
    expect(decodeService(create(ServiceSchema, { hostname: "h", ...init }))).toEqual({ ok: false, reason });
  });
});

it("decodes or refuses whatever parses, and never throws", () => {
  const decodes = (bytes: Uint8Array): boolean => {
    let address;
    try {
      address = fromBinary(AddressSchema, bytes);
    } catch {
      return true; // not a message at all: refused before the decoder
    }
    if (address.type.case === "workload") decodeWorkload(address.type.value);
    if (address.type.case === "service") decodeService(address.type.value);
    return true;
  };
  expect(holds(fc.property(fc.uint8Array({ maxLength: 60 }), decodes))).toBe(true);
});
