// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { startWaypoint } from "../../src/app.ts";
import { parseBootstrap } from "../../src/config/bootstrap.ts";
import { bootstrapOf, clusterOf, httpFilter, listenerOf } from "../fixtures.ts";

const route = (action: object, match: object = { prefix: "/" }): object => ({
  match,
  route: { cluster: "app", ...action },
});
const HCM = "filter_chains[0].filters[0].typed_config";
const FIRST = `${HCM}.route_config.virtual_hosts[0].routes[0]`;

describe("a listener is refused with the path of what is not supported", () => {
  test.each([
    [
      listenerOf([route({ regex_rewrite: { pattern: { regex: "a" }, substitution: "b" } })]),
      `${FIRST}.route.regex_rewrite`,
    ],
    [listenerOf([route({ hash_policy: [{ header: { header_name: "x-user" } }] })]), `${FIRST}.route.hash_policy`],
    [listenerOf([route({}, { prefix: "/", tls_context: {} })]), `${FIRST}.match.tls_context`],
    [listenerOf([route({}, { connect_matcher: {} })]), `${FIRST}.match.connect_matcher`],
    [listenerOf([route({ retry_policy: { retry_on: "5xx,sometimes" } })]), `${FIRST}.route.retry_policy.retry_on`],
    [listenerOf([{ match: { prefix: "/" }, non_forwarding_action: {} }]), `${FIRST}.non_forwarding_action`],
    [listenerOf([], { codec_type: "HTTP3" }), `${HCM}.codec_type`],
    [listenerOf([], { use_remote_address: true }), `${HCM}.use_remote_address`],
    [
      listenerOf([], { http_filters: [httpFilter("lua.v3.Lua"), httpFilter("router.v3.Router")] }),
      `${HCM}.http_filters[0].typed_config`,
    ],
    [{ ...listenerOf([]), use_original_dst: true }, "use_original_dst"],
    [{ ...listenerOf([]), listener_filters: [{ name: "tls" }] }, "listener_filters"],
  ])("%#: %j", async (listener, path) => {
    await expect(startWaypoint(bootstrapOf([listener], []))).rejects.toMatchObject({
      code: "WAYPOINT_CONFIG_UNSUPPORTED",
      message: expect.stringContaining(path) as unknown,
    });
  });
});

describe("a cluster is refused with the path of what is not supported", () => {
  test.each([
    [{ lb_policy: "RING_HASH" }, "lb_policy"],
    [{ type: "STRICT_DNS" }, "type"],
    [
      {
        health_checks: [
          { timeout: "1s", interval: "1s", unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {} },
        ],
      },
      "health_checks",
    ],
    [{ transport_socket: { name: "tls" } }, "transport_socket"],
    [{ outlier_detection: {} }, "outlier_detection.enforcing_success_rate"],
    [
      { outlier_detection: { enforcing_success_rate: 0, enforcing_failure_percentage: 1 } },
      "outlier_detection.enforcing_failure_percentage",
    ],
  ])("%j", async (more, path) => {
    await expect(startWaypoint(bootstrapOf([], [clusterOf("app", [1], more)]))).rejects.toMatchObject({
      code: "WAYPOINT_CONFIG_UNSUPPORTED",
      message: expect.stringContaining(path) as unknown,
    });
  });
});

describe("what can't be right is refused as invalid", () => {
  test.each([
    ["a regular expression", listenerOf([route({}, { safe_regex: { regex: "(" } })]), "safe_regex.regex"],
    [
      "weights of nothing",
      listenerOf([{ match: { prefix: "/" }, route: { weighted_clusters: { clusters: [{ name: "a", weight: 0 }] } } }]),
      "weighted_clusters",
    ],
    ["a name that breaks the rules of its type", listenerOf([route({ cluster: "" })]), "cluster"],
    ["no router", listenerOf([], { http_filters: [] }), "http_filters"],
    [
      "two hosts of one domain",
      listenerOf([], {
        route_config: {
          virtual_hosts: [
            { name: "a", domains: ["x"] },
            { name: "b", domains: ["X"] },
          ],
        },
      }),
      "virtual_hosts[1].domains",
    ],
  ])("%s", async (_name, listener, path) => {
    await expect(startWaypoint(bootstrapOf([listener], []))).rejects.toMatchObject({
      code: "WAYPOINT_CONFIG_INVALID",
      message: expect.stringContaining(path) as unknown,
    });
  });
});

test("a bootstrap with more than static resources is refused by its field", async () => {
  const bootstrap = parseBootstrap("{ layered_runtime: { layers: [{ name: a, static_layer: {} }] } }", "file");
  await expect(startWaypoint(bootstrap)).rejects.toThrow("layered_runtime is not supported");
});

test("a file that is no bootstrap is refused by its path", () => {
  expect(() => parseBootstrap("static_resources: 5", "boot.yaml")).toThrow(/boot\.yaml is no bootstrap/);
});
