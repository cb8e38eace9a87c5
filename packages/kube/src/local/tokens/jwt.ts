// SPDX-License-Identifier: Apache-2.0
import { createHash, createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { isJsonObject, type JsonObject } from "../../json/json.ts";
import { parseForeignJson } from "../../json/limits.ts";

// Longer tokens are refused before anything is decoded.
const MAX_TOKEN_LENGTH = 16 * 1024;

const encode = (value: JsonObject): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Signs and checks JSON web tokens with ES256 (RFC 7515, RFC 7518 3.4) under one key. */
export class JwtSigner {
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #keyId: string;

  /** @param privateKey a P-256 key */
  constructor(privateKey: KeyObject) {
    this.#privateKey = privateKey;
    this.#publicKey = createPublicKey(privateKey);
    this.#keyId = createHash("sha256")
      .update(this.#publicKey.export({ type: "spki", format: "der" }))
      .digest("base64url");
  }

  sign(claims: JsonObject): string {
    const input = `${encode({ alg: "ES256", kid: this.#keyId })}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(input), { key: this.#privateKey, dsaEncoding: "ieee-p1363" });
    return `${input}.${signature.toString("base64url")}`;
  }

  /** The claims of a token that this key signed, undefined for every other text. Times are not looked at. */
  verify(token: string): JsonObject | undefined {
    if (token.length > MAX_TOKEN_LENGTH) return undefined;
    const [header = "", payload = "", signature = "", ...rest] = token.split(".");
    if (rest.length > 0 || decodePart(header)?.["alg"] !== "ES256") return undefined;
    const isSigned = verify(
      "sha256",
      Buffer.from(`${header}.${payload}`),
      { key: this.#publicKey, dsaEncoding: "ieee-p1363" },
      Buffer.from(signature, "base64url"),
    );
    return isSigned ? decodePart(payload) : undefined;
  }
}

function decodePart(part: string): JsonObject | undefined {
  try {
    const value = parseForeignJson(Buffer.from(part, "base64url").toString("utf8"));
    return isJsonObject(value) ? value : undefined;
  } catch {
    // Not JSON: no token of ours.
    return undefined;
  }
}
