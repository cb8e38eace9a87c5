// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { cniErrors } from "../../src/errors.ts";
import { parseAddRequest, parseDeleteRequest } from "../../src/plugin-server/plugin-request.ts";
import { understoodOrRefused } from "../support/understood-or-refused.ts";

/** As Istio's plugin writes it. */
const OF_ISTIO = {
  Netns: "/var/run/netns/cni-1",
  PodName: "cart",
  PodNamespace: "shop",
  IPs: [
    { Interface: 2, Address: { IP: "10.0.1.2", Mask: "////AA==" }, Gateway: "10.0.1.1" },
    { Interface: null, Address: { IP: "fd00::2", Mask: "//////////8AAAAAAAAAAA==" }, Gateway: "" },
  ],
};

describe("what the plugin tells of a sandbox", () => {
  it("is understood from Istio's plugin", () => {
    expect(parseAddRequest(JSON.stringify(OF_ISTIO))).toEqual({
      pod: { namespace: "shop", name: "cart", uid: undefined },
      netns: "/var/run/netns/cni-1",
      addresses: ["10.0.1.2", "fd00::2"],
      sandboxId: undefined,
    });
  });

  it("may hold more from ours", () => {
    const body = JSON.stringify({ ...OF_ISTIO, IPs: null, PodUID: "u", SandboxID: "s" });
    expect(parseAddRequest(body)).toMatchObject({ pod: { uid: "u" }, addresses: [], sandboxId: "s" });
    expect(parseDeleteRequest(body)).toEqual({ pod: { namespace: "shop", name: "cart", uid: "u" }, sandboxId: "s" });
  });

  test.each([
    ["", /it is no JSON/],
    ["[]", /it is no JSON object/],
    [JSON.stringify({ ...OF_ISTIO, Netns: "" }), /Netns is missing/],
    [JSON.stringify({ ...OF_ISTIO, PodName: 1 }), /PodName is no text/],
    [JSON.stringify({ ...OF_ISTIO, PodNamespace: "a\0b" }), /PodNamespace is no text/],
    [JSON.stringify({ ...OF_ISTIO, PodUID: "x".repeat(5000) }), /PodUID is no text/],
    [JSON.stringify({ ...OF_ISTIO, IPs: {} }), /IPs is no list/],
    [JSON.stringify({ ...OF_ISTIO, IPs: [{ Address: { IP: "10.0.1" } }] }), /IPs\[0\]\.Address\.IP is no IP address/],
    [JSON.stringify({ ...OF_ISTIO, IPs: [null] }), /IPs\[0\]/],
    [
      JSON.stringify({ ...OF_ISTIO, IPs: OF_ISTIO.IPs.flatMap((ip) => Array.from({ length: 20 }, () => ip)) }),
      /up to 32/,
    ],
  ])("is refused with the name of the field: %.40s", (body, message) => {
    expect(() => parseAddRequest(body)).toThrow(message);
  });

  it("is understood or refused, whatever it is", () => {
    const almost = fc.record(Object.fromEntries(Object.keys(OF_ISTIO).map((key) => [key, fc.jsonValue()])));
    const body = fc.oneof(
      fc.string(),
      fc.json(),
      almost.map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(body, (text) => {
        for (const parse of [parseAddRequest, parseDeleteRequest]) {
          const outcome = understoodOrRefused(
            () => parse(text),
            (error) => cniErrors.is(error, "CNI_REQUEST_INVALID"),
          );
          expect(outcome).toMatch(/^understood$|^refused$/);
        }
      }),
    );
  });
});
