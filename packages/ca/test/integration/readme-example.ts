// SPDX-License-Identifier: Apache-2.0
import { CertificateAuthority, createRoot } from "@ambientmesh/ca";
import { createCsr, parseSpiffeId, svidFromIssuedChain } from "@ambientmesh/spiffe";

const authority = new CertificateAuthority(await createRoot("cluster.local", { keyType: "ecdsa-p256" }));
const id = parseSpiffeId("spiffe://cluster.local/ns/default/sa/web");
const { csrPem, privateKey } = await createCsr({ id });
const { chain } = await authority.sign({ csrPem, id, ttlSeconds: 3600 });
export const svid = svidFromIssuedChain({ id, chain, privateKey });

authority.revoke(svid.certificateChain[0]);
export const list = await authority.crl(); // PEM, names the certificate until it expires
export const kept = authority.material; // PEM texts for a Secret; new CertificateAuthority(kept) goes on with them
