// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { podRules } from "../../src/redirection/pod-rules.ts";

const DEFAULTS = {
  hasDnsCapture: true,
  hasIpv6: true,
  probeSource: { v4: "169.254.7.127", v6: "fd16::1" },
  hasProbeHopCheck: true,
};
const BYPASS = "ambient.istio.io/bypass-inbound-capture";
const DNS = "ambient.istio.io/dns-capture";
const REROUTE = "istio.io/reroute-virtual-interfaces";

describe("rules of a pod", () => {
  test.each<[string, Record<string, string>, boolean, object]>([
    ["the defaults", {}, true, { hasInboundCapture: true, hasDnsCapture: true, outboundInterfaces: [] }],
    ["DNS capture off by default", {}, false, { hasDnsCapture: false }],
    ["DNS capture switched off", { [DNS]: "false" }, true, { hasDnsCapture: false }],
    ["DNS capture switched on", { [DNS]: "true" }, false, { hasDnsCapture: true }],
    [
      "inbound bypassed, and DNS with it",
      { [BYPASS]: "true" },
      true,
      { hasInboundCapture: false, hasDnsCapture: false },
    ],
    ["inbound bypassed against DNS", { [BYPASS]: "true", [DNS]: "true" }, true, { hasDnsCapture: false }],
    ["inbound not bypassed", { [BYPASS]: "false" }, true, { hasInboundCapture: true, hasDnsCapture: true }],
    ["interfaces", { [REROUTE]: "tap0, k6t-eth0,,tap0" }, true, { outboundInterfaces: ["tap0", "k6t-eth0"] }],
  ])("follow %s", (_case, annotations, hasDnsCapture, expected) => {
    const { rules, problems } = podRules(annotations, { ...DEFAULTS, hasDnsCapture });
    expect(rules).toMatchObject(expected);
    expect(problems).toEqual([]);
  });

  test.each([
    [{ [DNS]: "yes" }, /dns-capture="yes" is neither/],
    [{ [BYPASS]: "True" }, /bypass-inbound-capture="True" is neither/],
    [{ [REROUTE]: 'tap0" accept; drop' }, /can't be an interface/],
    [{ [REROUTE]: "a234567890123456" }, /can't be an interface/],
    [{ [REROUTE]: "-j" }, /can't be an interface/],
    [{ [REROUTE]: "tap*" }, /can't be an interface/],
  ])("name annotations that make no sense: %j", (annotations, message) => {
    const { rules, problems } = podRules(annotations, DEFAULTS);
    expect(rules).toEqual(podRules({}, DEFAULTS).rules);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(message);
  });

  it("have a bound", () => {
    const names = Array.from({ length: 20 }, (_, index) => `tap${index}`).join(",");
    const { rules, problems } = podRules({ [REROUTE]: names }, DEFAULTS);
    expect(rules.outboundInterfaces).toHaveLength(16);
    expect(problems[0]).toMatch(/more than 16: tap16, tap17, tap18, tap19/);
  });
});
