// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import forge from "node-forge";
import { describe, expect, it, test } from "vitest";
import { formatPem, parsePem } from "../../src/index.ts";
import { outcomeOf } from "../outcome.ts";

const read = (text: string): { label: string; der: Buffer }[] => parsePem(text, { what: "the file" });

describe("parsePem", () => {
  it("reads every block and skips what stands around them", () => {
    const text = `subject=a\r\n${formatPem("CERTIFICATE", Buffer.of(1)).replaceAll("\n", "\r\n")}\n# -----\n${formatPem("X509 CRL", Buffer.of(2, 3))}rest`;
    expect(read(text)).toEqual([
      { label: "CERTIFICATE", der: Buffer.of(1) },
      { label: "X509 CRL", der: Buffer.of(2, 3) },
    ]);
  });

  test.each([
    ["-----BEGIN A-----\nAAAA\n", "not closed"],
    ["-----BEGIN A-----\nAAAA\n-----END B-----\n", "not closed before"],
    ["-----BEGIN A-----\nAAAA\n-----BEGIN A-----\n", "not closed before"],
    ["-----BEGIN A-----\n-----END A-----\n", "empty or not base64"],
    ["-----BEGIN A-----\nAAA\n-----END A-----\n", "empty or not base64"],
    ["-----BEGIN A-----\nAA=A\n-----END A-----\n", "empty or not base64"],
    ["-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END A-----\n", "empty or not base64"],
  ])("refuses %j: %s", (text, problem) => {
    expect(() => read(text)).toThrow(new RegExp(`the file is not PEM: .*${problem}`));
  });

  it("refuses a text above its limit before it reads it", () => {
    expect(() => parsePem("x".repeat(11), { what: "the file", maxBytes: 10 })).toThrow("larger than 10 bytes");
  });

  it("reads what it wrote, and what node-forge wrote", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 500 }), (body) => {
        const ours = formatPem("CERTIFICATE", body);
        const theirs = forge.pem.encode({ type: "CERTIFICATE", body: Buffer.from(body).toString("binary") });
        expect(read(ours)).toEqual([{ label: "CERTIFICATE", der: Buffer.from(body) }]);
        expect(read(theirs)).toEqual(read(ours));
        expect(forge.pem.decode(ours)[0]?.body).toBe(Buffer.from(body).toString("binary"));
      }),
    );
  });

  it("reads any text or throws its own error", async () => {
    const line = fc.constantFrom("-----BEGIN A-----", "-----END A-----", "AAAA", "-----BEGIN B-----", "=", "");
    const lines = fc.array(fc.oneof(line, fc.string())).map((parts) => parts.join("\n"));
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), lines), async (text) => {
        expect(["read", "PEM_INVALID"]).toContain(await outcomeOf(() => read(text)));
      }),
    );
  });
});
