// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { parseServiceAddress } from "../../src/client/address.ts";

describe("parseServiceAddress", () => {
  test.each([
    [
      "https://istiod.istio-system.svc:15012",
      { target: "istiod.istio-system.svc:15012", host: "istiod.istio-system.svc", isTls: true },
    ],
    [
      "istiod.istio-system.svc:15012",
      { target: "istiod.istio-system.svc:15012", host: "istiod.istio-system.svc", isTls: true },
    ],
    ["https://istiod", { target: "istiod:443", host: "istiod", isTls: true }],
    ["https://[fd00::1]:15012", { target: "[fd00::1]:15012", host: "fd00::1", isTls: true }],
    ["http://127.0.0.1:15010", { target: "127.0.0.1:15010", host: "127.0.0.1", isTls: false }],
  ])("%s", (address, expected) => expect(parseServiceAddress(address, true)).toEqual(expected));

  test.each([
    ["", "is no URL"],
    ["https://", "is no URL"],
    ["ftp://istiod", "scheme"],
    ["http://istiod.istio-system.svc:15010", "in the clear"],
    ["http://127.0.0.1.example:15010", "in the clear"],
  ])("refuses %j", (address, problem) =>
    expect(() => parseServiceAddress(address, true)).toThrow(
      expect.objectContaining({ code: "CA_CLIENT_INVALID", message: expect.stringContaining(problem) as string }),
    ),
  );

  test("lets plaintext through where there is no token to lose", () => {
    expect(parseServiceAddress("http://istiod:15010", false).isTls).toBe(false);
  });
});
