// SPDX-License-Identifier: Apache-2.0
/** Values and matchers: `envoy.type`. */
export * from "../gen/envoy/type/http/v3/path_transformation_pb.ts";
export * from "../gen/envoy/type/matcher/v3/filter_state_pb.ts";
export * from "../gen/envoy/type/matcher/v3/metadata_pb.ts";
export * from "../gen/envoy/type/matcher/v3/node_pb.ts";
export * from "../gen/envoy/type/matcher/v3/number_pb.ts";
export * from "../gen/envoy/type/matcher/v3/path_pb.ts";
export * from "../gen/envoy/type/matcher/v3/regex_pb.ts";
export * from "../gen/envoy/type/matcher/v3/string_pb.ts";
export * from "../gen/envoy/type/matcher/v3/struct_pb.ts";
export * from "../gen/envoy/type/matcher/v3/value_pb.ts";
export * from "../gen/envoy/type/metadata/v3/metadata_pb.ts";
export * from "../gen/envoy/type/tracing/v3/custom_tag_pb.ts";
export * from "../gen/envoy/type/v3/hash_policy_pb.ts";
export * from "../gen/envoy/type/v3/http_pb.ts";
export * from "../gen/envoy/type/v3/http_status_pb.ts";
export * from "../gen/envoy/type/v3/percent_pb.ts";
export * from "../gen/envoy/type/v3/range_pb.ts";
export * from "../gen/envoy/type/v3/ratelimit_unit_pb.ts";
export * from "../gen/envoy/type/v3/semantic_version_pb.ts";
export * from "../gen/envoy/type/v3/token_bucket_pb.ts";
