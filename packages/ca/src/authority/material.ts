// SPDX-License-Identifier: Apache-2.0
import { caErrors } from "../errors.ts";

/** All that makes an authority, as PEM: what is kept in a Secret or a folder. */
export interface AuthorityMaterial {
  /** The certificate whose key signs. */
  readonly certificatePem: string;
  /** Its private key, unencrypted. */
  readonly privateKeyPem: string;
  /** Intermediates above the signing certificate, in any order; empty if a root signs. */
  readonly chainPem: string;
  /** One or several roots. */
  readonly rootsPem: string;
}

/** Names of the files in Istio's Secrets `istio-ca-secret` and `cacerts`. */
export const ISTIO_FILES = {
  certificatePem: "ca-cert.pem",
  privateKeyPem: "ca-key.pem",
  chainPem: "cert-chain.pem",
  rootsPem: "root-cert.pem",
} as const;

/** Names of the files in Secrets of the type `kubernetes.io/tls` with a CA beside them (cert-manager's). */
export const TLS_FILES = { certificatePem: "tls.crt", privateKeyPem: "tls.key", rootsPem: "ca.crt" } as const;

/** Optional beside either layout: revocation lists of the authority. */
export const CRL_FILE = "ca-crl.pem";

/** File names to texts. */
export type AuthorityFiles = Readonly<Record<string, string | undefined>>;

/**
 * The material inside a Secret's data or a folder, in Istio's layout or that of `kubernetes.io/tls`; undefined if there is nothing of either.
 * `where` names the source in error messages.
 * @throws MeshError CA_FOLDER_INCOMPLETE naming the files that are missing or, but for the chain, empty.
 */
export function materialFromFiles(files: AuthorityFiles, where: string): AuthorityMaterial | undefined {
  const isAny = (layout: Readonly<Record<string, string>>): boolean =>
    Object.values(layout).some((name) => files[name] !== undefined);
  const layout = isAny(ISTIO_FILES) ? ISTIO_FILES : TLS_FILES;
  if (!isAny(layout)) return undefined;
  const missing = Object.entries(layout)
    .filter(([part, name]) => (part === "chainPem" ? files[name] === undefined : !files[name]?.trim()))
    .map(([, name]) => name);
  if (missing.length > 0) {
    throw caErrors.create(
      "CA_FOLDER_INCOMPLETE",
      `${where} lacks ${missing.join(", ")} beside the files that are there`,
      {
        details: { where, missing },
      },
    );
  }
  const text = (name: string): string => files[name] ?? "";
  return {
    certificatePem: text(layout.certificatePem),
    privateKeyPem: text(layout.privateKeyPem),
    chainPem: layout === ISTIO_FILES ? text(ISTIO_FILES.chainPem) : "",
    rootsPem: text(layout.rootsPem),
  };
}

/** The files of Istio's layout, for a Secret or a folder. Reading them with {@link materialFromFiles} gives the same material. */
export function materialToFiles(material: AuthorityMaterial): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(ISTIO_FILES).map(([part, name]) => [name, material[part as keyof typeof ISTIO_FILES]]),
  );
}
