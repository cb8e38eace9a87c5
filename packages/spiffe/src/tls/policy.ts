// SPDX-License-Identifier: Apache-2.0
import { createSecureContext } from "node:tls";
import { spiffeErrors } from "../errors.ts";

/** Which TLS a mesh speaks. Compared by identity: make one and share it, contexts are cached by it. */
export interface TlsPolicy {
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** OpenSSL's names, joined by colons, best first. */
  readonly cipherSuites: string;
  /** Key exchange groups, joined by colons; a client sends a key share for the first. */
  readonly groups: string;
}

// AES-128 first: it is the faster one, and nobody breaks either. No ChaCha20, as in Istio.
const TLS13_SUITES = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"];
const TLS12_SUITES = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
];
const CLASSIC_GROUPS = ["X25519", "P-256", "P-384"];
const POST_QUANTUM_GROUP = "X25519MLKEM768";

function hasGroup(group: string): boolean {
  try {
    createSecureContext({ ecdhCurve: group });
    return true;
  } catch {
    // The only thing that can be wrong with this call is that OpenSSL does not know the group.
    return false;
  }
}

/**
 * The mesh's TLS: version 1.3 only, AES-GCM, X25519 or the NIST curves, and the post-quantum hybrid where OpenSSL has it (3.5).
 * @throws MeshError TLS_UNSUPPORTED if `compliance` demands a group that is not there.
 */
export function createTlsPolicy(
  options: {
    /** "pqc": nothing but the post-quantum hybrid (Istio's COMPLIANCE_POLICY). */
    readonly compliance?: "pqc" | undefined;
    /** Lets peers of version 1.2 in, with forward secrecy and AEAD only. Default false. */
    readonly isTls12Enabled?: boolean;
  } = {},
): TlsPolicy {
  const { compliance, isTls12Enabled = false } = options;
  const isPostQuantumThere = hasGroup(POST_QUANTUM_GROUP);
  if (compliance === "pqc" && !isPostQuantumThere) {
    throw spiffeErrors.create(
      "TLS_UNSUPPORTED",
      `the policy pqc needs ${POST_QUANTUM_GROUP}, which OpenSSL ${process.versions.openssl} lacks: use Node.js 24.7 or newer`,
    );
  }
  const groups = compliance === "pqc" ? [] : CLASSIC_GROUPS;
  return {
    minVersion: isTls12Enabled && compliance !== "pqc" ? "TLSv1.2" : "TLSv1.3",
    cipherSuites: [...TLS13_SUITES, ...(isTls12Enabled ? TLS12_SUITES : [])].join(":"),
    groups: [...groups, ...(isPostQuantumThere ? [POST_QUANTUM_GROUP] : [])].join(":"),
  };
}

let shared: TlsPolicy | undefined;

/** {@link createTlsPolicy} without options, made once. */
export function defaultTlsPolicy(): TlsPolicy {
  return (shared ??= createTlsPolicy());
}
