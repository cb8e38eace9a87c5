// SPDX-License-Identifier: Apache-2.0
/** What an Envoy tells of its configuration: `envoy.admin.v3` and client status discovery. */
export * from "../gen/envoy/admin/v3/config_dump_pb.ts";
export * from "../gen/envoy/admin/v3/config_dump_shared_pb.ts";
export * from "../gen/envoy/service/status/v3/csds_pb.ts";
