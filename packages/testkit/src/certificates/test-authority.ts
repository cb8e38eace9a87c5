// SPDX-License-Identifier: Apache-2.0
import { CertificateAuthority, createRoot, type AuthorityMaterial } from "@ambientmesh/ca";
import { systemClock, type Clock } from "@ambientmesh/core";
import {
  createCsr,
  parseSpiffeId,
  svidFromIssuedChain,
  type IssueCertificate,
  type Svid,
  type TrustBundle,
} from "@ambientmesh/spiffe";

/** A certificate authority in memory that signs whatever it is asked for. */
export interface TestAuthority {
  readonly authority: CertificateAuthority;
  readonly trustBundle: TrustBundle;
  /** An SVID; by default for one day from now. */
  readonly svid: (id: string, options?: { readonly ttlSeconds?: number }) => Promise<Svid>;
  /** Signs requests, as the certificate service does; fits `SecretManagerDeps.issue`. */
  readonly issue: IssueCertificate;
}

/** A new authority with a P-256 root, which is made in a millisecond. */
export async function createTestAuthority(
  options: {
    /** Default "cluster.local". */
    readonly trustDomain?: string;
    /** Signs with this instead of a new root. */
    readonly material?: AuthorityMaterial;
    /** Set back or forward, it makes certificates that have expired or are not valid yet. */
    readonly clock?: Clock;
  } = {},
): Promise<TestAuthority> {
  const { trustDomain = "cluster.local", clock = systemClock } = options;
  const material = options.material ?? (await createRoot(trustDomain, { keyType: "ecdsa-p256", clock }));
  const authority = new CertificateAuthority(material, { clock });
  return {
    authority,
    trustBundle: authority.trustBundle,
    issue: async (csrPem, id) => (await authority.sign({ csrPem, id })).chain,
    svid: async (text, { ttlSeconds = 86_400 } = {}) => {
      const id = parseSpiffeId(text);
      const { csrPem, privateKey } = await createCsr({ id });
      const { chain } = await authority.sign({ csrPem, id, ttlSeconds });
      return svidFromIssuedChain({ id, chain, privateKey });
    },
  };
}

let shared: Promise<TestAuthority> | undefined;

/** An SVID of an authority that all callers in this process share, so that they trust each other. */
export async function testSvid(
  id = "spiffe://cluster.local/ns/default/sa/default",
  options: { readonly ttlSeconds?: number } = {},
): Promise<Svid> {
  const authority = await (shared ??= createTestAuthority());
  return authority.svid(id, options);
}
