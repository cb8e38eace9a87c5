// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { iptablesProbeRules } from "../../src/probes/iptables-probe-rules.ts";
import { nftProbeRuleset } from "../../src/probes/nft-probe-ruleset.ts";
import { addressesOfFamily, type ProbeRules } from "../../src/probes/probe-rules.ts";

const RULES: ProbeRules = {
  origin: { kind: "cgroup", path: "system.slice/kubelet.service" },
  addresses: ["10.0.1.3", "10.0.1.2", "fd00::2", "10.0.1.2"],
  source: { v4: "169.254.7.127", v6: "fd16::1" },
  hasIpv6: true,
};

test("addresses are sorted by family, and nothing else gets into a rule", () => {
  const addresses = [...RULES.addresses, "10.0.1.1 accept", "fe80::1%x } drop", "", "::1;"];
  expect(addressesOfFamily({ ...RULES, addresses }, 4)).toEqual(["10.0.1.2", "10.0.1.3"]);
  expect(addressesOfFamily({ ...RULES, addresses }, 6)).toEqual(["fd00::2"]);
  expect(addressesOfFamily({ ...RULES, hasIpv6: false }, 6)).toEqual([]);
});

describe("rules of a node in nft's language", () => {
  it("for one IP version, without bridges and pods", () => {
    const rules: ProbeRules = { ...RULES, addresses: [], hasIpv6: false, origin: { kind: "uid", uid: 7 } };
    expect(nftProbeRuleset(rules, false)).toMatchInlineSnapshot(`
      "table inet istio-ambient-node
      delete table inet istio-ambient-node
      table inet istio-ambient-node {
        set pods-v4 {
          type ipv4_addr
        }
        set opened-v4 {
          type ipv4_addr . inet_service . ipv4_addr . inet_service
          size 65535
          flags dynamic,timeout
          timeout 1m
        }
        chain output {
          type filter hook output priority 0; policy accept;
          meta skuid 7 ip daddr @pods-v4 tcp flags & (syn | ack) == syn counter update @opened-v4 { ip saddr . tcp sport . ip daddr . tcp dport }
        }
        chain postrouting {
          type nat hook postrouting priority 99; policy accept;
          ip saddr . tcp sport . ip daddr . tcp dport @opened-v4 counter snat ip to 169.254.7.127
        }
        chain stamp {
          type filter hook postrouting priority 110; policy accept;
          ip saddr 169.254.7.127 ip ttl set 255
        }
        chain guard {
          type filter hook prerouting priority -310; policy accept;
          iifname != "lo" ip saddr 169.254.7.127 counter drop
        }
      }
      "
    `);
  });

  it("tell the kubelet by its control group", () => {
    expect(nftProbeRuleset(RULES, true)).toContain(
      'socket cgroupv2 level 2 "system.slice/kubelet.service" ip6 daddr @pods-v6',
    );
  });

  it("keep the probes' address from bridges too", () => {
    const bridge = nftProbeRuleset(RULES, true).split("table bridge istio-ambient-node {")[1];
    expect(bridge).toContain("ip saddr 169.254.7.127 counter drop");
    expect(bridge).toContain("ip6 saddr fd16::1 counter drop");
  });
});

test("rules of a node in the language of iptables", () => {
  expect(iptablesProbeRules(RULES, 4)).toEqual({
    raw: { ISTIO_PROBE_GUARD: ["-s 169.254.7.127/32 ! -i lo -j DROP"] },
    mangle: {
      ISTIO_POSTRT: [
        "-d 10.0.1.2/32 -p tcp -m cgroup --path system.slice/kubelet.service -j TTL --ttl-set 255",
        "-d 10.0.1.3/32 -p tcp -m cgroup --path system.slice/kubelet.service -j TTL --ttl-set 255",
      ],
    },
    nat: {
      ISTIO_POSTRT: [
        "-d 10.0.1.2/32 -p tcp -m cgroup --path system.slice/kubelet.service -j SNAT --to-source 169.254.7.127",
        "-d 10.0.1.3/32 -p tcp -m cgroup --path system.slice/kubelet.service -j SNAT --to-source 169.254.7.127",
      ],
    },
  });
  expect(iptablesProbeRules({ ...RULES, origin: { kind: "uid", uid: 0 } }, 6)).toMatchObject({
    mangle: { ISTIO_POSTRT: ["-d fd00::2/128 -p tcp -m owner --uid-owner 0 -j HL --hl-set 255"] },
  });
});
