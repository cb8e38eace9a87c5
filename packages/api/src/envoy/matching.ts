// SPDX-License-Identifier: Apache-2.0
/** Trees of matchers, their inputs, and the extension that wraps a filter in one: `xds.type.matcher.v3`. */
export * from "../gen/xds/core/v3/extension_pb.ts";
export * from "../gen/xds/type/matcher/v3/matcher_pb.ts";
export * from "../gen/xds/type/matcher/v3/regex_pb.ts";
export * from "../gen/xds/type/matcher/v3/string_pb.ts";
export * from "../gen/envoy/extensions/common/matching/v3/extension_matcher_pb.ts";
export * from "../gen/envoy/extensions/matching/common_inputs/network/v3/network_inputs_pb.ts";
