// SPDX-License-Identifier: Apache-2.0
import { ok } from "node:assert/strict";
import { isIP } from "node:net";
import { sizeOf, type FuzzTargets } from "@ambientmesh/testkit";
import { cniErrors } from "../src/errors.ts";
import { parseConfig } from "../src/plugin/cni-input.ts";
import { parseAddRequest, parseDeleteRequest } from "../src/plugin-server/plugin-request.ts";
import { parseListeningPorts } from "../src/pods/listening-ports.ts";
import { ipv6Addresses, localIpv4Addresses } from "../src/pods/netns-addresses.ts";
import { podUidOfCgroup } from "../src/pods/pod-cgroup.ts";
import { checkHello, decodeAck } from "../src/zds/zds-messages.ts";

/** What `read` makes of an input, or the code of its refusal; all else it throws is a bug. */
function reading(input: Buffer, read: () => unknown): string {
  try {
    const value = read();
    sizeOf(value, 8192 + 64 * input.length);
    return typeof value;
  } catch (error) {
    if (!cniErrors.is(error)) throw error;
    return error.code;
  }
}

const ADD = {
  Netns: "/var/run/netns/cni-1",
  PodName: "cart",
  PodNamespace: "shop",
  IPs: [{ Interface: 2, Address: { IP: "10.0.1.2", Mask: "////AA==" }, Gateway: "10.0.1.1" }],
};
const CONFIG = {
  cniVersion: "1.1.0",
  name: "net",
  type: "istio-cni",
  ambient_enabled: true,
  enablement_selectors: [{ podSelector: { matchLabels: { a: "b" } } }],
  prevResult: { ips: [{ address: "10.0.1.2/24" }] },
};

export const targets: FuzzTargets = {
  zds: {
    run: (input) => `${reading(input, () => checkHello(input))} ${reading(input, () => decodeAck(input))}`,
    seeds: () => ["0801", "0a00", "0a040a026e6f"].map((hex) => Buffer.from(hex, "hex")),
    maxLength: 2048,
  },
  "plugin-request": {
    run: (input) => {
      const text = input.toString("utf8");
      return `${reading(input, () => parseAddRequest(text))} ${reading(input, () => parseDeleteRequest(text))}`;
    },
    seeds: () => [
      Buffer.from(JSON.stringify(ADD)),
      Buffer.from(JSON.stringify({ ...ADD, PodUID: "u", SandboxID: "s" })),
    ],
    tokens: ['"IPs":null', '"Address":', '"IP":"', "null", "[]", "\\u0000", "::1", "/"],
  },
  "plugin-config": {
    run: (input) => reading(input, () => parseConfig(input.toString("utf8"))),
    seeds: () => [Buffer.from(JSON.stringify(CONFIG))],
    tokens: ['"prevResult":', '"cniVersion":"0.3.1"', "matchExpressions", "null", "[]"],
  },
  "proc-texts": {
    run: (input) => {
      const text = input.toString("latin1");
      const ports = parseListeningPorts(text);
      ok(
        ports.every((port) => Number.isInteger(port) && port >= 0 && port <= 65_535),
        "a port is none",
      );
      const v4 = localIpv4Addresses(text);
      ok(
        v4.every((address) => isIP(address) === 4),
        "an address is none",
      );
      const v6 = ipv6Addresses(text);
      return [ports.length > 0, v4.length > 0, v6.length > 0, podUidOfCgroup(text) !== undefined].join();
    },
    seeds: () =>
      [
        "  sl  local_address rem_address   st\n   0: 0100007F:3A98 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1\n",
        "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.1.2\n        /32 host LOCAL\n",
        "fd000010000000010000000000000002 02 40 00 80     eth0\n",
        "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0e5b2c1a_0000_4000_8000_000000000001.slice/x\n",
      ].map((each) => Buffer.from(each)),
    tokens: ["/32 host LOCAL", "|-- ", "0A", ":3A98", "-pod", ".slice"],
  },
};
