// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cniErrors } from "../../src/errors.ts";
import {
  checkHello,
  decodeAck,
  encodeAdd,
  encodeDelete,
  encodeKeep,
  encodeSnapshotSent,
} from "../../src/zds/zds-messages.ts";
import { understoodOrRefused } from "../support/understood-or-refused.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex");

describe("ZDS messages", () => {
  it("have the bytes that Istio's node proxy reads", () => {
    expect(hex(encodeSnapshotSent())).toBe("1a00");
    expect(hex(encodeKeep("u"))).toBe("2a030a0175");
    // Field 2, not 1.
    expect(hex(encodeDelete("u"))).toBe("1203120175");
    const add = encodeAdd({ uid: "u", name: "n", namespace: "s", serviceAccount: "a" });
    expect(hex(add)).toBe("0a0e0a017512090a016e1201731a0161");
  });

  it("fit into the proxy's buffer with the longest names that Kubernetes allows", () => {
    const longest = {
      uid: "u".repeat(36),
      name: "n".repeat(253),
      namespace: "s".repeat(63),
      serviceAccount: "a".repeat(253),
    };
    expect(encodeAdd(longest).length).toBeLessThanOrEqual(1024);
  });

  it("are acknowledged with success or an error", () => {
    expect(decodeAck(bytes("0a 00"))).toBe("");
    expect(decodeAck(bytes("0a 04 0a 02 6e 6f"))).toBe("no");
  });

  it("begin with a hello of version 1", () => {
    expect(() => checkHello(bytes("08 01"))).not.toThrow();
    expect(() => checkHello(bytes("08 02"))).toThrow(/it speaks version 2, this agent 1/);
    expect(() => checkHello(bytes("10 01"))).toThrow(/it speaks version 0/);
  });

  it("from a peer are understood or refused, never more", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (data) => {
        for (const read of [checkHello, decodeAck]) {
          const outcome = understoodOrRefused(
            () => read(data),
            (error) => cniErrors.is(error, "CNI_ZDS_PROTOCOL"),
          );
          expect(outcome).toMatch(/^understood$|^refused$/);
        }
      }),
    );
  });
});
