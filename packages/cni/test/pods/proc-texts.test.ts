// SPDX-License-Identifier: Apache-2.0
import { isIPv4, isIPv6 } from "node:net";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { parseListeningPorts } from "../../src/pods/listening-ports.ts";
import { ipv6Addresses, localIpv4Addresses } from "../../src/pods/netns-addresses.ts";
import { podUidOfCgroup } from "../../src/pods/pod-cgroup.ts";

const UID = "2c48913c-b29f-11e7-9350-020968147796";
const OTHER = "72f7f152-440c-66ac-9084-e0fc1d8a910c";
const CONTAINER = "9bca8d63d5fa610783847915bcff0ecac1273e5b4bed3f6fa1b07350e0135961";

describe("the pod of a control group", () => {
  test.each([
    ["cgroupfs", `0::/kubepods/burstable/pod${UID}/${CONTAINER}`, UID],
    ["guaranteed", `0::/kubepods/pod${UID}/${CONTAINER}`, UID],
    [
      "systemd",
      `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID.replaceAll("-", "_")}.slice/cri-containerd-${CONTAINER}.scope`,
      UID,
    ],
    [
      "containerd's older form",
      `1:name=systemd:/kubepods-besteffort-pod${UID.replaceAll("-", "_")}.slice:cri-containerd:${CONTAINER}`,
      UID,
    ],
    [
      "kind",
      `0::/docker/8d461fa5/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${UID.replaceAll("-", "_")}.slice/x`,
      UID,
    ],
    ["seen from a cgroup namespace", `0::/../../pod${UID}/${CONTAINER}`, UID],
    ["local mode", `0::/ambientmesh-local/kubepods/pod${UID}/app`, UID],
    [
      "a static pod",
      "0::/kubepods/burstable/pod0123456789abcdef0123456789abcdef/x",
      "0123456789abcdef0123456789abcdef",
    ],
    ["several hierarchies", `12:cpu:/kubepods/pod${UID}/x\n11:memory:/kubepods/pod${UID}/x\n0::/`, UID],
    ["hierarchies that disagree", `12:cpu:/kubepods/pod${UID}/x\n0::/kubepods/pod${OTHER}/x`, undefined],
    ["a group made inside a pod", `0::/kubepods/pod${UID}/x/kubepods/pod${OTHER}/x`, UID],
    ["the pod itself", `0::/kubepods/pod${UID}`, UID],
    ["no pod", "0::/system.slice/ssh.service", undefined],
    ["a name that only looks like one", `0::/user.slice/mypod${UID}/x`, undefined],
    ["a uid cut off", `0::/kubepods/pod${UID.slice(0, -1)}/x`, undefined],
    ["a uid with more behind", `0::/kubepods/pod${UID}0/x`, undefined],
    ["mixed separators", `0::/kubepods/pod${UID.replace("-", "_")}/x`, undefined],
    ["nothing", "", undefined],
  ])("%s", (_case, text, uid) => {
    expect(podUidOfCgroup(text)).toBe(uid);
  });

  it("is never guessed from other texts", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(podUidOfCgroup(text)).toBeUndefined();
      }),
    );
  });
});

describe("addresses of a namespace", () => {
  it("are read from the kernel's routing trie", () => {
    const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.1.0/24 2 0 2
        |-- 10.0.1.0
           /24 link UNICAST
        |-- 10.0.1.2
           /32 host LOCAL
        |-- 10.0.1.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
Local:
     |-- 10.0.1.2
        /32 host LOCAL
     |-- 192.0.2.7
        /32 host LOCAL
`;
    expect(localIpv4Addresses(trie)).toEqual(["10.0.1.2", "192.0.2.7"]);
  });

  it("are read from the list of IPv6 addresses, but those that many namespaces have", () => {
    const list = `00000000000000000000000000000001 01 80 10 80       lo
fe80000000000000a8bbccfffeddeeff 02 40 20 80     eth0
fd00001000000001000000000000abcd 02 40 00 80     eth0
`;
    expect(ipv6Addresses(list)).toEqual(["fd00:0010:0000:0001:0000:0000:0000:abcd"]);
  });

  it("are addresses, whatever the text", () => {
    const line = fc.oneof(fc.string(), fc.stringMatching(/^ *\|-- [0-9.]{0,12}$/), fc.constant("   /32 host LOCAL"));
    const entry = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f]{30,34} 02$/));
    fc.assert(
      fc.property(fc.array(line), fc.array(entry), (trie, list) => {
        expect(localIpv4Addresses(trie.join("\n")).filter((address) => !isIPv4(address))).toEqual([]);
        expect(ipv6Addresses(list.join("\n")).filter((address) => !isIPv6(address))).toEqual([]);
      }),
    );
  });
});

describe("ports that are listened on", () => {
  it("are read from the kernel's socket tables", () => {
    const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:3AAD 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0201000A:1F90 0301000A:C350 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
`;
    const table6 = `   0: 00000000000000000000000000000000:3A99 00000000000000000000000000000000:0000 0A 00000000:00000000 00:0 0 0 0 3`;
    expect([parseListeningPorts(table), parseListeningPorts(table6)]).toEqual([[15_021], [15_001]]);
  });

  it("are ports, whatever the text", () => {
    const entry = fc.oneof(
      fc.string(),
      fc.stringMatching(/^ {3}0: [0-9A-F]{8}:[0-9A-F]{4} [0-9A-F]{8}:[0-9A-F]{4} 0A $/),
    );
    fc.assert(
      fc.property(fc.array(entry), (lines) => {
        expect(parseListeningPorts(lines.join("\n")).filter((port) => !(port >= 0 && port <= 0xffff))).toEqual([]);
      }),
    );
  });
});
