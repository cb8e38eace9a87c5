// SPDX-License-Identifier: Apache-2.0
import { MeshError } from "@ambientmesh/core";
import { expect, it, test } from "vitest";
import { failureOf, isWorthAnotherEndpoint } from "../../src/proxy/failures.ts";

const error = (code: string, details: Record<string, unknown> = {}, cause?: unknown): MeshError =>
  new MeshError(code, "why", { details, cause });

test.each([
  [error("LINUX_CONNECT_FAILED"), "CONNECT_FAILED", true],
  [error("LINUX_CONNECT_TIMEOUT"), "CONNECT_TIMEOUT", true],
  [error("LINUX_NETNS_NOT_FOUND"), "DRAINED", false],
  [error("ZTUNNEL_NAME_UNRESOLVED"), "NO_ADDRESS", true],
  [error("ZTUNNEL_PEER_REVOKED"), "CERTIFICATE_REVOKED", false],
  [error("HBONE_DIAL_FAILED", {}, error("LINUX_CONNECT_FAILED")), "CONNECT_FAILED", true],
  [error("HBONE_DIAL_FAILED", {}, error("LINUX_CONNECT_TIMEOUT")), "TUNNEL_BLOCKED", true],
  [error("HBONE_DIAL_FAILED", {}, error("LINUX_NETNS_NOT_FOUND")), "DRAINED", false],
  [error("HBONE_DIAL_FAILED", {}, new Error("odd")), "CONNECT_FAILED", true],
  [error("HBONE_TIMEOUT", { phase: "dial" }), "TUNNEL_BLOCKED", true],
  [error("HBONE_TIMEOUT", { phase: "tls" }), "TLS_FAILED", true],
  [error("HBONE_TIMEOUT", { phase: "settings" }), "H2_FAILED", true],
  [error("HBONE_TIMEOUT", { phase: "response" }), "H2_FAILED", true],
  [error("HBONE_TLS_FAILED", { reason: "untrusted" }), "TLS_FAILED", true],
  [error("HBONE_TLS_FAILED", { reason: "identity-unavailable" }), "IDENTITY_UNAVAILABLE", false],
  [error("HBONE_TLS_FAILED", { reason: "workload-unknown" }), "SOURCE_UNKNOWN", false],
  [error("HBONE_PEER_REFUSED", { reason: "unexpected-identity" }), "TLS_FAILED", true],
  [error("HBONE_PEER_REFUSED", { reason: "revoked" }), "CERTIFICATE_REVOKED", false],
  [error("HBONE_PROTOCOL_ERROR"), "H2_FAILED", true],
  [error("HBONE_DRAINING"), "DRAINED", false],
  [error("SECRET_UNAVAILABLE"), "IDENTITY_UNAVAILABLE", false],
  [error("ABORTED"), "CLIENT_GONE", false],
  [error("SOMETHING_NEW"), "INTERNAL", false],
  [new TypeError("bug"), "INTERNAL", false],
])("%s means %s", (thrown, reason, isRetried) => {
  const failure = failureOf(thrown);
  expect(failure).toEqual({ kind: "refuse", reason, message: thrown.message });
  expect(isWorthAnotherEndpoint(failure.reason)).toBe(isRetried);
});

it("tries another endpoint where the app was not there, not where a policy said no", () => {
  expect([isWorthAnotherEndpoint("PEER_UNABLE"), isWorthAnotherEndpoint("PEER_REFUSED")]).toEqual([true, false]);
});
