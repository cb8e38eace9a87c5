// SPDX-License-Identifier: Apache-2.0
/**
 * Types on the wire and in Kubernetes. Each area is a subpath, so that a program loads only what it speaks:
 * `/workload`, `/security`, `/ca`, `/zds`, `/discovery`, `/envoy/…` (protobuf), `/kubernetes`, `/istio` (objects), `/validate` (rules).
 */
export * from "./names.ts";
export { ApiError, apiErrors, type ApiErrorCode, type ApiErrorOptions } from "./errors.ts";
