// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { ownLines, releaseText, restoreText } from "../../src/redirection/iptables/iptables-restore.ts";
import { NO_RULES, POD_LAYOUT, iptablesRules } from "../../src/redirection/iptables/iptables-ruleset.ts";
import { nftRelease, nftRemoval, nftRuleset } from "../../src/redirection/nftables/nft-ruleset.ts";
import type { PodRules } from "../../src/redirection/redirection.ts";

const ALL: PodRules = {
  hasInboundCapture: true,
  hasDnsCapture: true,
  outboundInterfaces: ["tap0"],
  hasIpv6: true,
  probeSource: { v4: "169.254.7.127", v6: "fd16:9254:7127:1337:ffff:ffff:ffff:ffff" },
  hasProbeHopCheck: false,
};
const LEAST: PodRules = {
  ...ALL,
  hasInboundCapture: false,
  hasDnsCapture: false,
  outboundInterfaces: [],
  hasIpv6: false,
};

describe("probes that have to come from this node", () => {
  const rules = { ...ALL, hasProbeHopCheck: true };

  it("in nft's language", () => {
    expect(nftRuleset(rules)).toContain("ip saddr 169.254.7.127 ip ttl 255 meta l4proto tcp counter accept");
    expect(nftRuleset(rules)).toMatch(/ip6 saddr \S+ ip6 hoplimit 255 meta l4proto tcp counter accept/);
  });

  it.each([
    [4, "-m ttl --ttl-eq 255"],
    [6, "-m hl --hl-eq 255"],
  ] as const)("in the language of iptables, IPv%i", (version, match) => {
    expect(iptablesRules(rules, version).nat.ISTIO_PRERT[2]).toContain(`-p tcp -m tcp ${match} -j ACCEPT`);
  });
});

describe("rules in nft's language", () => {
  it("with everything", () => {
    expect(nftRuleset(ALL)).toMatchInlineSnapshot(`
      "table inet istio-ambient-mangle
      delete table inet istio-ambient-mangle
      table inet istio-ambient-raw
      delete table inet istio-ambient-raw
      table inet istio-ambient-nat
      delete table inet istio-ambient-nat
      table inet istio-ambient-mangle {
        chain prerouting {
          type filter hook prerouting priority -150; policy accept;
          jump istio-prerouting
        }
        chain istio-prerouting {
          meta mark & 0xfff == 0x539 counter ct mark set ct mark & 0xfffff000 | 0x111
        }
        chain output {
          type route hook output priority -150; policy accept;
          jump istio-output
        }
        chain istio-output {
          ct mark & 0xfff == 0x111 counter meta mark set ct mark
        }
      }
      table inet istio-ambient-raw {
        chain prerouting {
          type filter hook prerouting priority -300; policy accept;
          jump istio-prerouting
        }
        chain istio-prerouting {
          udp sport 53 meta mark & 0xfff != 0x539 counter ct zone set 1
        }
        chain output {
          type filter hook output priority -300; policy accept;
          jump istio-output
        }
        chain istio-output {
          udp dport 53 meta mark & 0xfff == 0x539 counter ct zone set 1
        }
      }
      table inet istio-ambient-nat {
        chain prerouting {
          type nat hook prerouting priority -100; policy accept;
          jump istio-prerouting
        }
        chain istio-prerouting {
          iifname "tap0" meta l4proto tcp counter redirect to :15001
          iifname "tap0" meta l4proto tcp counter return
          ip saddr 169.254.7.127 meta l4proto tcp counter accept
          ip6 saddr fd16:9254:7127:1337:ffff:ffff:ffff:ffff meta l4proto tcp counter accept
          ip daddr != 127.0.0.1 tcp dport != 15008 meta mark & 0xfff != 0x539 counter redirect to :15006
          ip6 daddr != ::1 tcp dport != 15008 meta mark & 0xfff != 0x539 counter redirect to :15006
        }
        chain output {
          type nat hook output priority -100; policy accept;
          jump istio-output
        }
        chain istio-output {
          ip daddr 169.254.7.127 meta l4proto tcp counter accept
          ip6 daddr fd16:9254:7127:1337:ffff:ffff:ffff:ffff meta l4proto tcp counter accept
          oifname != "lo" udp dport 53 meta mark & 0xfff != 0x539 counter redirect to :15053
          ip daddr != 127.0.0.1 tcp dport 53 meta mark & 0xfff != 0x539 counter redirect to :15053
          ip6 daddr != ::1 tcp dport 53 meta mark & 0xfff != 0x539 counter redirect to :15053
          meta l4proto tcp meta mark & 0xfff == 0x111 counter accept
          ip daddr != 127.0.0.1 oifname "lo" counter accept
          ip6 daddr != ::1 oifname "lo" counter accept
          ip daddr != 127.0.0.1 meta l4proto tcp meta mark & 0xfff != 0x539 counter redirect to :15001
          ip6 daddr != ::1 meta l4proto tcp meta mark & 0xfff != 0x539 counter redirect to :15001
        }
      }
      "
    `);
  });

  it("with as little as possible", () => {
    expect(nftRuleset(LEAST)).toMatchInlineSnapshot(`
      "table inet istio-ambient-mangle
      delete table inet istio-ambient-mangle
      table inet istio-ambient-raw
      delete table inet istio-ambient-raw
      table inet istio-ambient-nat
      delete table inet istio-ambient-nat
      table inet istio-ambient-mangle {
        chain prerouting {
          type filter hook prerouting priority -150; policy accept;
          jump istio-prerouting
        }
        chain istio-prerouting {
          meta mark & 0xfff == 0x539 counter ct mark set ct mark & 0xfffff000 | 0x111
        }
        chain output {
          type route hook output priority -150; policy accept;
          jump istio-output
        }
        chain istio-output {
          ct mark & 0xfff == 0x111 counter meta mark set ct mark
        }
      }
      table inet istio-ambient-nat {
        chain output {
          type nat hook output priority -100; policy accept;
          jump istio-output
        }
        chain istio-output {
          ip daddr 169.254.7.127 meta l4proto tcp counter accept
          meta l4proto tcp meta mark & 0xfff == 0x111 counter accept
          ip daddr != 127.0.0.1 oifname "lo" counter accept
          ip daddr != 127.0.0.1 meta l4proto tcp meta mark & 0xfff != 0x539 counter redirect to :15001
        }
      }
      "
    `);
  });

  it("are taken away whether they are there or not", () => {
    expect(nftRemoval()).toMatchInlineSnapshot(`
      "table inet istio-ambient-mangle
      delete table inet istio-ambient-mangle
      table inet istio-ambient-raw
      delete table inet istio-ambient-raw
      table inet istio-ambient-nat
      delete table inet istio-ambient-nat
      "
    `);
  });

  it("let go of new connections only", () => {
    expect(nftRelease()).toMatchInlineSnapshot(`
      "add table inet istio-ambient-nat
      add chain inet istio-ambient-nat istio-prerouting
      flush chain inet istio-ambient-nat istio-prerouting
      add chain inet istio-ambient-nat istio-output
      flush chain inet istio-ambient-nat istio-output
      "
    `);
  });
});

describe("rules in the language of iptables", () => {
  it("with everything, in an empty namespace", () => {
    expect(restoreText(new Map(), iptablesRules(ALL, 4), POD_LAYOUT)).toMatchInlineSnapshot(`
      "*mangle
      :ISTIO_PRERT - [0:0]
      :ISTIO_OUTPUT - [0:0]
      -A PREROUTING -j ISTIO_PRERT
      -A OUTPUT -j ISTIO_OUTPUT
      -A ISTIO_PRERT -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff
      -A ISTIO_OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
      COMMIT
      *raw
      :ISTIO_PRERT - [0:0]
      :ISTIO_OUTPUT - [0:0]
      -A PREROUTING -j ISTIO_PRERT
      -A OUTPUT -j ISTIO_OUTPUT
      -A ISTIO_PRERT -p udp -m mark ! --mark 0x539/0xfff -m udp --sport 53 -j CT --zone 1
      -A ISTIO_OUTPUT -p udp -m mark --mark 0x539/0xfff -m udp --dport 53 -j CT --zone 1
      COMMIT
      *nat
      :ISTIO_PRERT - [0:0]
      :ISTIO_OUTPUT - [0:0]
      -A PREROUTING -j ISTIO_PRERT
      -A OUTPUT -j ISTIO_OUTPUT
      -A ISTIO_PRERT -i tap0 -p tcp -j REDIRECT --to-ports 15001
      -A ISTIO_PRERT -i tap0 -p tcp -j RETURN
      -A ISTIO_PRERT -s 169.254.7.127/32 -p tcp -m tcp -j ACCEPT
      -A ISTIO_PRERT ! -d 127.0.0.1/32 -p tcp -m tcp ! --dport 15008 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15006
      -A ISTIO_OUTPUT -d 169.254.7.127/32 -p tcp -m tcp -j ACCEPT
      -A ISTIO_OUTPUT ! -o lo -p udp -m udp --dport 53 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15053
      -A ISTIO_OUTPUT ! -d 127.0.0.1/32 -p tcp -m tcp --dport 53 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15053
      -A ISTIO_OUTPUT -p tcp -m mark --mark 0x111/0xfff -j ACCEPT
      -A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -j ACCEPT
      -A ISTIO_OUTPUT ! -d 127.0.0.1/32 -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
      COMMIT
      "
    `);
  });

  it("with everything, for IPv6", () => {
    expect(iptablesRules(ALL, 6).nat).toMatchInlineSnapshot(`
      {
        "ISTIO_OUTPUT": [
          "-d fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128 -p tcp -m tcp -j ACCEPT",
          "! -o lo -p udp -m udp --dport 53 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15053",
          "! -d ::1/128 -p tcp -m tcp --dport 53 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15053",
          "-p tcp -m mark --mark 0x111/0xfff -j ACCEPT",
          "! -d ::1/128 -o lo -j ACCEPT",
          "! -d ::1/128 -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001",
        ],
        "ISTIO_PRERT": [
          "-i tap0 -p tcp -j REDIRECT --to-ports 15001",
          "-i tap0 -p tcp -j RETURN",
          "-s fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128 -p tcp -m tcp -j ACCEPT",
          "! -d ::1/128 -p tcp -m tcp ! --dport 15008 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15006",
        ],
      }
    `);
  });

  it("with as little as possible", () => {
    expect(restoreText(new Map(), iptablesRules(LEAST, 4), POD_LAYOUT)).toMatchInlineSnapshot(`
      "*mangle
      :ISTIO_PRERT - [0:0]
      :ISTIO_OUTPUT - [0:0]
      -A PREROUTING -j ISTIO_PRERT
      -A OUTPUT -j ISTIO_OUTPUT
      -A ISTIO_PRERT -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff
      -A ISTIO_OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
      COMMIT
      *nat
      :ISTIO_OUTPUT - [0:0]
      -A OUTPUT -j ISTIO_OUTPUT
      -A ISTIO_OUTPUT -d 169.254.7.127/32 -p tcp -m tcp -j ACCEPT
      -A ISTIO_OUTPUT -p tcp -m mark --mark 0x111/0xfff -j ACCEPT
      -A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -j ACCEPT
      -A ISTIO_OUTPUT ! -d 127.0.0.1/32 -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
      COMMIT
      "
    `);
  });

  it("replace what is there of ours, and only that", () => {
    const saved = [
      "*nat",
      ":PREROUTING ACCEPT",
      ":ISTIO_PRERT -",
      ":ISTIO_OUTPUT -",
      ":APP -",
      "-A PREROUTING -j APP",
      "-A PREROUTING -j ISTIO_PRERT",
      "-A OUTPUT -j ISTIO_OUTPUT",
      "-A OUTPUT -m comment --comment NOT_ISTIO_OUTPUT -j APP",
      "-A ISTIO_OUTPUT -p tcp -j REDIRECT --to-ports 1",
      "COMMIT",
      "*raw",
      ":ISTIO_OUTPUT -",
      "-A OUTPUT -j ISTIO_OUTPUT",
      "COMMIT",
      "*filter",
      "-A INPUT -j DROP",
      "COMMIT",
    ];
    expect(restoreText(ownLines(saved, POD_LAYOUT), iptablesRules(LEAST, 4), POD_LAYOUT)).toMatchInlineSnapshot(`
      "*mangle
      :ISTIO_PRERT - [0:0]
      :ISTIO_OUTPUT - [0:0]
      -A PREROUTING -j ISTIO_PRERT
      -A OUTPUT -j ISTIO_OUTPUT
      -A ISTIO_PRERT -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff
      -A ISTIO_OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
      COMMIT
      *raw
      :ISTIO_OUTPUT - [0:0]
      -D OUTPUT -j ISTIO_OUTPUT
      -X ISTIO_OUTPUT
      COMMIT
      *nat
      :ISTIO_PRERT - [0:0]
      :ISTIO_OUTPUT - [0:0]
      -D PREROUTING -j ISTIO_PRERT
      -D OUTPUT -j ISTIO_OUTPUT
      -X ISTIO_PRERT
      -A OUTPUT -j ISTIO_OUTPUT
      -A ISTIO_OUTPUT -d 169.254.7.127/32 -p tcp -m tcp -j ACCEPT
      -A ISTIO_OUTPUT -p tcp -m mark --mark 0x111/0xfff -j ACCEPT
      -A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -j ACCEPT
      -A ISTIO_OUTPUT ! -d 127.0.0.1/32 -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
      COMMIT
      "
    `);
  });

  it("are taken away, what redirects first", () => {
    const lines = restoreText(new Map(), iptablesRules(ALL, 4), POD_LAYOUT).split("\n");
    expect(restoreText(ownLines(lines, POD_LAYOUT), NO_RULES, POD_LAYOUT)).toMatchInlineSnapshot(`
      "*nat
      :ISTIO_PRERT - [0:0]
      :ISTIO_OUTPUT - [0:0]
      -D PREROUTING -j ISTIO_PRERT
      -D OUTPUT -j ISTIO_OUTPUT
      -X ISTIO_PRERT
      -X ISTIO_OUTPUT
      COMMIT
      *raw
      :ISTIO_PRERT - [0:0]
      :ISTIO_OUTPUT - [0:0]
      -D PREROUTING -j ISTIO_PRERT
      -D OUTPUT -j ISTIO_OUTPUT
      -X ISTIO_PRERT
      -X ISTIO_OUTPUT
      COMMIT
      *mangle
      :ISTIO_PRERT - [0:0]
      :ISTIO_OUTPUT - [0:0]
      -D PREROUTING -j ISTIO_PRERT
      -D OUTPUT -j ISTIO_OUTPUT
      -X ISTIO_PRERT
      -X ISTIO_OUTPUT
      COMMIT
      "
    `);
  });

  it("touch nothing where nothing is and nothing is wanted", () => {
    expect(restoreText(ownLines(["*filter", "-A INPUT -j DROP", "COMMIT"], POD_LAYOUT), NO_RULES, POD_LAYOUT)).toBe("");
  });

  it("let go of new connections only", () => {
    expect(releaseText(POD_LAYOUT)).toMatchInlineSnapshot(`
      "*nat
      :ISTIO_PRERT - [0:0]
      :ISTIO_OUTPUT - [0:0]
      COMMIT
      "
    `);
  });
});
