// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JwtSigner } from "../../../src/local/tokens/jwt.ts";

const newSigner = (): JwtSigner => new JwtSigner(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);

describe("tokens", () => {
  const signer = newSigner();
  const token = signer.sign({ sub: "me", n: 1 });

  it("are verified by their own key only", () => {
    expect(signer.verify(token)).toEqual({ sub: "me", n: 1 });
    expect(newSigner().verify(token)).toBeUndefined();
  });

  it("are worth nothing with another algorithm, other claims or other parts", () => {
    const [header = "", payload = "", signature = ""] = token.split(".");
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    const claims = Buffer.from('{"sub":"root"}').toString("base64url");
    const forgeries = [
      `${none}.${payload}.`,
      `${none}.${payload}.${signature}`,
      `${header}.${claims}.${signature}`,
      `${token}.x`,
      `${header}.${payload}`,
      "",
      "x".repeat(20_000),
    ];
    expect(forgeries.map((text) => signer.verify(text))).toEqual(forgeries.map(() => undefined));
  });

  it("are told from every other text", () => {
    const part = fc.oneof(fc.base64String(), fc.string(), fc.constantFrom(...token.split(".")));
    const property = fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
      const text = parts.join(".");
      return text === token || signer.verify(text) === undefined;
    });
    expect(fc.check(property).counterexample).toBeNull();
  });
});
