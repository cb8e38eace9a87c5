// SPDX-License-Identifier: Apache-2.0
import { create, fromBinary, toBinary, type DescMessage } from "@bufbuild/protobuf";
import { describe, expect, it, test } from "vitest";
import { IstioCertificateRequestSchema, IstioCertificateResponseSchema, IstioCertificateService } from "../src/ca.ts";
import {
  AggregatedDiscoveryService,
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from "../src/discovery.ts";
import { AuthorizationSchema, GroupSchema, MatchSchema, RulesSchema, StringMatchSchema } from "../src/security.ts";
import {
  AddressSchema,
  GatewayAddressSchema,
  NetworkAddressSchema,
  PortSchema,
  ServiceSchema,
  WorkloadSchema,
} from "../src/workload.ts";
import { Version, WorkloadRequestSchema, WorkloadResponseSchema, ZdsHelloSchema } from "../src/zds.ts";

const numbers = (schema: DescMessage): string => schema.fields.map(({ name, number }) => `${name}=${number}`).join(" ");

// The numbers are the contract with Istio's ztunnel, istiod and CNI agent.
test.each([
  [AddressSchema, "istio.workload.Address", "workload=1 service=2"],
  [
    ServiceSchema,
    "istio.workload.Service",
    "name=1 namespace=2 hostname=3 addresses=4 ports=5 subject_alt_names=6 waypoint=7 load_balancing=8 ip_families=9 extensions=10 canonical=11 ingress_use_waypoint=12 weighted_waypoints=13 visibility=14",
  ],
  [
    WorkloadSchema,
    "istio.workload.Workload",
    "uid=20 name=1 namespace=2 addresses=3 hostname=21 network=4 tunnel_protocol=5 trust_domain=6 service_account=7 waypoint=8 network_gateway=19 node=9 canonical_name=10 canonical_revision=11 workload_type=12 workload_name=13 native_tunnel=14 application_tunnel=23 services=22 authorization_policies=16 status=17 cluster_id=18 locality=24 network_mode=25 extensions=26 capacity=27",
  ],
  [PortSchema, "istio.workload.Port", "service_port=1 target_port=2 app_protocol=3"],
  [GatewayAddressSchema, "istio.workload.GatewayAddress", "hostname=1 address=2 hbone_mtls_port=3"],
  [NetworkAddressSchema, "istio.workload.NetworkAddress", "network=1 address=2 length=3"],
  [
    AuthorizationSchema,
    "istio.security.Authorization",
    "name=1 namespace=2 scope=3 action=4 groups=5 dry_run=6 extensions=7",
  ],
  [GroupSchema, "istio.security.Group", "rules=1"],
  [RulesSchema, "istio.security.Rules", "matches=2"],
  [
    MatchSchema,
    "istio.security.Match",
    "namespaces=1 not_namespaces=2 principals=3 not_principals=4 source_ips=5 not_source_ips=6 destination_ips=7 not_destination_ips=8 destination_ports=9 not_destination_ports=10 service_accounts=11 not_service_accounts=12 extensions=13",
  ],
  [StringMatchSchema, "istio.security.StringMatch", "exact=1 prefix=2 suffix=3 presence=4"],
  [IstioCertificateRequestSchema, "istio.v1.auth.IstioCertificateRequest", "csr=1 validity_duration=3 metadata=4"],
  [IstioCertificateResponseSchema, "istio.v1.auth.IstioCertificateResponse", "cert_chain=1"],
  [WorkloadRequestSchema, "istio.workload.zds.WorkloadRequest", "add=1 del=2 snapshot_sent=3 keep=5"],
  [
    DeltaDiscoveryRequestSchema,
    "envoy.service.discovery.v3.DeltaDiscoveryRequest",
    "node=1 type_url=2 resource_names_subscribe=3 resource_names_unsubscribe=4 resource_locators_subscribe=8 resource_locators_unsubscribe=9 initial_resource_versions=5 response_nonce=6 error_detail=7",
  ],
  [
    DeltaDiscoveryResponseSchema,
    "envoy.service.discovery.v3.DeltaDiscoveryResponse",
    "system_version_info=1 resources=2 type_url=4 removed_resources=6 removed_resource_names=8 nonce=5 control_plane=7",
  ],
])("%o", (schema, name, fields) => {
  expect(schema.typeName).toBe(name);
  expect(numbers(schema)).toBe(fields);
});

describe("services", () => {
  it("have the paths that peers call", () => {
    expect(IstioCertificateService.typeName).toBe("istio.v1.auth.IstioCertificateService");
    expect(IstioCertificateService.methods.map((method) => method.name)).toEqual(["CreateCertificate"]);
    expect(AggregatedDiscoveryService.typeName).toBe("envoy.service.discovery.v3.AggregatedDiscoveryService");
    expect(AggregatedDiscoveryService.methods.map((method) => method.name)).toContain("DeltaAggregatedResources");
  });
});

describe("ZDS bytes", () => {
  it("are those of the other implementations", () => {
    expect([...toBinary(ZdsHelloSchema, create(ZdsHelloSchema, { version: Version.V1 }))]).toEqual([0x08, 0x01]);
    const ack = create(WorkloadResponseSchema, { payload: { case: "ack", value: {} } });
    expect([...toBinary(WorkloadResponseSchema, ack)]).toEqual([0x0a, 0x00]);
    const sent = create(WorkloadRequestSchema, { payload: { case: "snapshotSent", value: {} } });
    expect([...toBinary(WorkloadRequestSchema, sent)]).toEqual([0x1a, 0x00]);
    expect(fromBinary(WorkloadRequestSchema, new Uint8Array([0x12, 0x03, 0x12, 0x01, 0x78])).payload).toMatchObject({
      case: "del",
      value: { uid: "x" },
    });
  });
});
