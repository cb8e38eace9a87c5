// SPDX-License-Identifier: Apache-2.0
import type { Certificate, CertificateSource, SecretState } from "@ambientmesh/spiffe";

type Json = Readonly<Record<string, unknown>>;

/** Every identity with its certificates, sorted by identity, under ztunnel's names (Istio 1.31). */
export function dumpCertificates(source: CertificateSource): readonly Json[] {
  return source.states().map(({ id, state }) => dumpIdentity(id, state));
}

function dumpIdentity(identity: string, state: SecretState): Json {
  return { identity, state: describe(state), ...chainsOf(state) };
}

function describe(state: SecretState): string {
  return state.kind === "Unavailable" ? `Unavailable: ${state.error.message}` : state.kind;
}

function chainsOf(state: SecretState): Json {
  if (state.kind !== "Available") return { certChain: [], rootCerts: [] };
  const { certificateChain, trustBundle } = state.svid;
  return { certChain: certificateChain.map(dumpCertificate), rootCerts: trustBundle.roots.map(dumpCertificate) };
}

/** The PEM is once more in base64: istioctl expects it so. */
function dumpCertificate(certificate: Certificate): Json {
  return {
    pem: Buffer.from(certificate.pem).toString("base64"),
    serialNumber: certificate.serialNumber,
    validFrom: seconds(certificate.notBeforeMs),
    expirationTime: seconds(certificate.notAfterMs),
  };
}

function seconds(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d{3}Z$/, "Z");
}
