// SPDX-License-Identifier: Apache-2.0
import { MARKS } from "@ambientmesh/api";
import { NetworkPlan, applyNftables, type NetnsRef } from "@ambientmesh/linux";

const [PROXY, APP, MASK] = [MARKS.PACKET, MARKS.CONNECTION, MARKS.MASK];

/** Questions of programs go to the DNS proxy; its own are tracked apart, as their ports may be those of a program. */
const DNS_RULES = `
table inet istio-ambient-raw {
  chain prerouting {
    type filter hook prerouting priority -300;
    udp sport 53 meta mark & ${MASK} != ${PROXY} ct zone set 1
  }
  chain output {
    type filter hook output priority -300;
    udp dport 53 meta mark & ${MASK} == ${PROXY} ct zone set 1
  }
}`;
const TO_DNS_PROXY = `
    oifname != "lo" udp dport 53 meta mark & ${MASK} != ${PROXY} redirect to :15053
    ip daddr != 127.0.0.1 tcp dport 53 meta mark & ${MASK} != ${PROXY} redirect to :15053
    ip6 daddr != ::1 tcp dport 53 meta mark & ${MASK} != ${PROXY} redirect to :15053`;

/** What the CNI agent puts into a pod (Istio 1.31). */
const rules = (hasDns: boolean): string => `
table inet istio-ambient-mangle {
  chain prerouting {
    type filter hook prerouting priority -150;
    meta mark & ${MASK} == ${PROXY} ct mark set ${APP}
  }
  chain output {
    type route hook output priority -150;
    ct mark & ${MASK} == ${APP} meta mark set ct mark
  }
}
table inet istio-ambient-nat {
  chain prerouting {
    type nat hook prerouting priority -100;
    ip saddr 169.254.7.127 meta l4proto tcp accept
    ip daddr != 127.0.0.1 tcp dport != 15008 meta mark & ${MASK} != ${PROXY} redirect to :15006
    ip6 daddr != ::1 tcp dport != 15008 meta mark & ${MASK} != ${PROXY} redirect to :15006
  }
  chain output {
    type nat hook output priority -100;
    ip daddr 169.254.7.127 meta l4proto tcp accept
    ${hasDns ? TO_DNS_PROXY : ""}
    meta l4proto tcp meta mark & ${MASK} == ${APP} accept
    oifname "lo" ip daddr != 127.0.0.1 accept
    oifname "lo" ip6 daddr != ::1 accept
    ip daddr != 127.0.0.1 meta l4proto tcp meta mark & ${MASK} != ${PROXY} redirect to :15001
    ip6 daddr != ::1 meta l4proto tcp meta mark & ${MASK} != ${PROXY} redirect to :15001
  }
}
${hasDns ? DNS_RULES : ""}`;

/** Takes over the TCP traffic of a pod, and its DNS questions if asked to. */
export async function redirect(netns: NetnsRef, options: { readonly hasDns?: boolean } = {}): Promise<void> {
  await applyNftables(rules(options.hasDns ?? false), { netns });
  const plan = new NetworkPlan();
  for (const version of [4, 6] as const) {
    plan.rule(netns, { priority: 32_764, mark: APP, mask: MASK, table: 100, version });
    plan.route(netns, { to: version === 4 ? "0.0.0.0/0" : "::/0", type: "local", device: "lo", table: 100 });
  }
  await plan.apply();
}
