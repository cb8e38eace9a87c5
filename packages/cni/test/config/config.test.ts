// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { isMeshError } from "@ambientmesh/core";
import { DEFAULT_SELECTORS, describeConfig, parseConfig } from "../../src/index.ts";
import { VERSION } from "../../src/version.ts";

const NODE = { NODE_NAME: "n1", KUBECONFIG: "/k" };

function problemsOf(env: Readonly<Record<string, string>>): readonly string[] {
  try {
    parseConfig(env);
    return [];
  } catch (error) {
    if (!isMeshError(error, "CONFIG_INVALID")) throw error;
    return error.details["problems"] as readonly string[];
  }
}

describe("the agent's configuration", () => {
  it("has defaults for everything but the node's name and the API server", () => {
    const { warnings, ...config } = parseConfig(NODE);
    expect(config).toEqual({
      nodeName: "n1",
      apiServer: { kind: "kubeconfig", path: "/k" },
      eligibility: { selectors: DEFAULT_SELECTORS, excludedNamespaces: ["kube-system"] },
      agentNamespace: "istio-system",
      podName: undefined,
      install: {
        configDirectory: "/host/etc/cni/net.d",
        binDirectory: "/host/opt/cni/bin",
        nodeBinDirectory: "/opt/cni/bin",
        chain: {
          mode: "chained",
          configName: undefined,
          ownedName: "02-istio-cni.conflist",
          plugin: {
            type: "istio-cni",
            cni_agent_run_dir: "/var/run/istio-cni",
            ambient_enabled: true,
            exclude_namespaces: ["kube-system"],
            pod_namespace: "istio-system",
            kubernetes: { kubeconfig: "/var/run/istio-cni/istio-cni-kubeconfig" },
          },
        },
      },
      redirection: "auto",
      isDnsCaptured: true,
      isIpv6Enabled: true,
      isReconcilingOnStartup: true,
      probeSource: { v4: "169.254.7.127", v6: "fd16:9254:7127:1337:ffff:ffff:ffff:ffff" },
      hasProbeHopCheck: true,
      kubeletCgroup: undefined,
      mayEnterHostNetns: true,
      proofIntervalMs: 10_000,
      announceMs: 2000,
      drainMs: 5000,
      runDirectory: "/var/run/istio-cni",
      pluginSocket: "/var/run/istio-cni/pluginevent.sock",
      zdsSocket: "/var/run/ztunnel/ztunnel.sock",
      echoSocket: "/var/run/ztunnel/echo.sock",
      procDirectory: "/host/proc",
      netnsDirectory: "/var/run/netns",
      readinessPort: 8000,
      metricsPort: 15_014,
      logFilter: "info",
      logFormat: "plain",
    });
    expect(warnings).toEqual([]);
  });

  test.each([
    [
      { AMBIENT_DNS_CAPTURE: "false", AMBIENT_IPV6: "false" },
      { isDnsCaptured: false, isIpv6Enabled: false },
    ],
    [{ AMBIENT_RECONCILE_POD_RULES_ON_STARTUP: "false" }, { isReconcilingOnStartup: false }],
    [{ NATIVE_NFTABLES: "true" }, { redirection: "nftables" }],
    [{ NATIVE_NFTABLES: "false" }, { redirection: "iptables" }],
    [{ AMBIENT_REDIRECTION: "iptables" }, { redirection: "iptables" }],
    [{ AMBIENT_REDIRECTION: "nftables", NATIVE_NFTABLES: "true" }, { redirection: "nftables" }],
    [{ CNI_AGENT_RUN_DIR: "/run/x" }, { runDirectory: "/run/x", pluginSocket: "/run/x/pluginevent.sock" }],
    [{ CNI_EVENT_ADDRESS: "/run/y.sock" }, { pluginSocket: "/run/y.sock" }],
    [
      { KUBECONFIG: "", KUBERNETES_SERVICE_HOST: "10.96.0.1" },
      { apiServer: { kind: "in-cluster", host: "10.96.0.1", port: 443 } },
    ],
    [
      { MONITORING_PORT: "0", LOG_FORMAT: "json" },
      { metricsPort: 0, logFormat: "json" },
    ],
    [{ AMBIENT_ENABLEMENT_SELECTOR: "- podSelector: {}" }, { eligibility: { selectors: [{ podSelector: {} }] } }],
    [{ KUBELET_CGROUP: " /system.slice/kubelet.service " }, { kubeletCgroup: "/system.slice/kubelet.service" }],
    [{ KUBELET_CGROUP: "" }, { kubeletCgroup: undefined }],
    [
      { ALLOW_SWITCH_TO_HOST_NS: "false", AMBIENT_PROBE_HOP_CHECK: "false" },
      { mayEnterHostNetns: false, hasProbeHopCheck: false },
    ],
    [{ INSTALL_CNI_PLUGIN: "false" }, { install: undefined }],
    [
      { ISTIO_OWNED_CNI_CONFIG: "true", CNI_CONF_NAME: "10-x.conflist" },
      { install: { chain: { mode: "owned", configName: "10-x.conflist" } } },
    ],
    [{ CHAINED_CNI_PLUGIN: "false" }, { install: { chain: { mode: "standalone" } } }],
    [
      { AMBIENT_ENABLEMENT_SELECTOR: "- podSelector: {}" },
      { install: { chain: { plugin: { enablement_selectors: [{ podSelector: {} }] } } } },
    ],
    [{ AMBIENT_PROOF_INTERVAL: "5s" }, { proofIntervalMs: 5000 }],
    [{ EXCLUDE_NAMESPACES: "a, b" }, { eligibility: { excludedNamespaces: ["a", "b"] } }],
  ])("reads %j", (env, expected) => {
    expect(parseConfig({ ...NODE, ...env })).toMatchObject(expected);
  });

  test.each([
    [{ KUBECONFIG: "/k" }, /NODE_NAME is missing/],
    [{ NODE_NAME: "n1" }, /there is no API server/],
    [{ ...NODE, AMBIENT_IPV6: "yes" }, /AMBIENT_IPV6="yes"/],
    [{ ...NODE, NATIVE_NFTABLES: "true", AMBIENT_REDIRECTION: "iptables" }, /set one of them/],
    [{ ...NODE, HOST_PROBE_SNAT_IP: "fd00::1" }, /HOST_PROBE_SNAT_IP="fd00::1" is no IPv4/],
    [{ ...NODE, HOST_PROBE_SNAT_IPV6: "fe80::1%eth0" }, /HOST_PROBE_SNAT_IPV6=/],
    [{ ...NODE, AMBIENT_ENABLEMENT_SELECTOR: "- x: 1" }, /AMBIENT_ENABLEMENT_SELECTOR \[0\] has the unknown field "x"/],
    [{ ...NODE, AMBIENT_ENABLED: "false" }, /AMBIENT_ENABLED=false: .*nothing but ambient/],
    [{ ...NODE, AMBIENT_PROOF_INTERVAL: "10ms" }, /AMBIENT_PROOF_INTERVAL: less than 1s/],
    [{ ...NODE, EBPF_ENABLED: "true" }, /eBPF is not part of this version/],
    [{ ...NODE, ISTIO_OWNED_CNI_CONF_FILENAME: "../x" }, /ISTIO_OWNED_CNI_CONF_FILENAME="\.\.\/x" is no name/],
    [{ ...NODE, CNI_CONF_NAME: "a/b.conf" }, /CNI_CONF_NAME="a\/b\.conf" is no name of a file/],
    [{ ...NODE, AMBIENT_DISABLE_SAFE_UPGRADE: "true" }, /rules always stay/],
  ])("refuses %j", (env, message) => {
    const problems = problemsOf(env);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(message);
  });

  it("says at start what it does not follow", () => {
    const { warnings } = parseConfig({ ...NODE, REPAIR_ENABLED: "true", EBPF_ENABLED: "false" });
    expect(warnings.map((text) => text.split(":")[0])).toEqual(["REPAIR_ENABLED=true"]);
  });

  it("describes every variable once", () => {
    const names = describeConfig().map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain("AMBIENT_ENABLEMENT_SELECTOR");
    expect(describeConfig().filter(({ description }) => description === "")).toEqual([]);
  });
});

it("knows its own version", () => {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as object;
  expect(manifest).toMatchObject({ version: VERSION });
});
