// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { messageOf } from "@ambientmesh/core";
import { spiffeErrors } from "../errors.ts";
import { formatPem } from "../pem.ts";

/** Keys that are made for workloads and authorities. */
export const KEY_TYPES = ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-4096"] as const;
/** One of {@link KEY_TYPES}. */
export type KeyType = (typeof KEY_TYPES)[number];

const PARAMETERS = {
  "ecdsa-p256": { namedCurve: "P-256" },
  "ecdsa-p384": { namedCurve: "P-384" },
  "rsa-2048": { modulusLength: 2048 },
  "rsa-4096": { modulusLength: 4096 },
} as const;

/** Both halves of a key. */
export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** A new key, made in the thread pool. */
export async function generateKey(type: KeyType): Promise<KeyPair> {
  const { promise, resolve, reject } = Promise.withResolvers<KeyPair>();
  const done = (error: Error | null, publicKey: KeyObject, privateKey: KeyObject): void =>
    error ? reject(error) : resolve({ publicKey, privateKey });
  const parameters = PARAMETERS[type];
  if ("modulusLength" in parameters) generateKeyPair("rsa", parameters, done);
  else generateKeyPair("ec", parameters, done);
  return promise;
}

/** PKCS#8, PEM. */
export function privateKeyPem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }) as string;
}

/** DER of SubjectPublicKeyInfo. */
export function publicKeyDer(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}

/**
 * An unencrypted private key in PEM: PKCS#8, PKCS#1 or SEC 1. `what` names its source in error messages, which never hold the key.
 * @throws MeshError KEY_INVALID
 */
export function parsePrivateKey(pem: string | Buffer, what: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw spiffeErrors.create("KEY_INVALID", `${what} is no unencrypted private key in PEM: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/**
 * Reads a SubjectPublicKeyInfo in DER.
 * @throws MeshError KEY_UNSUPPORTED if OpenSSL can't read it.
 */
export function parsePublicKey(spki: Buffer): KeyObject {
  try {
    // As text, because Node 24 throws and catches four errors inside for each key that comes as an object: half of the time.
    return createPublicKey(formatPem("PUBLIC KEY", spki));
  } catch (error) {
    throw spiffeErrors.create("KEY_UNSUPPORTED", `a public key can't be read: ${messageOf(error)}`, { cause: error });
  }
}
