// SPDX-License-Identifier: Apache-2.0
/** Access logs and where they go: `envoy.config.accesslog.v3`, `envoy.extensions.access_loggers`. */
export * from "../gen/envoy/config/accesslog/v3/accesslog_pb.ts";
export * from "../gen/envoy/data/accesslog/v3/accesslog_pb.ts";
export * from "../gen/envoy/extensions/access_loggers/file/v3/file_pb.ts";
export * from "../gen/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.ts";
export * from "../gen/envoy/extensions/access_loggers/grpc/v3/als_pb.ts";
export * from "../gen/envoy/extensions/access_loggers/stream/v3/stream_pb.ts";
