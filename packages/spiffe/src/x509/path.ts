// SPDX-License-Identifier: Apache-2.0
import type { Certificate } from "./certificate.ts";

/** Longer chains don't occur: leaf, a few intermediates, root. */
const MAX_DEPTH = 8;
/** Bounds the work that many intermediates with one name and different keys can cause. */
const MAX_SIGNATURE_CHECKS = 32;

/** Whether `issuer`'s name and key made `certificate`. Says nothing about validity or permission to issue. */
export function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
  return certificate.issuer.equals(issuer.subject) && certificate.x509.verify(issuer.x509.publicKey);
}

/**
 * The certificates from `leaf` (first) to one of `roots` (last), each issued by the next; undefined if there is no such path.
 * Names alone don't decide: of several authorities with one name the one is taken whose key made the signature.
 * It does not judge trust; use it for chains that a TLS handshake or their maker already vouched for.
 */
export function buildPath(
  leaf: Certificate,
  intermediates: readonly Certificate[],
  roots: readonly Certificate[],
): readonly Certificate[] | undefined {
  let checksLeft = MAX_SIGNATURE_CHECKS;
  const isIssuer = (child: Certificate, parent: Certificate): boolean =>
    child.issuer.equals(parent.subject) && checksLeft-- > 0 && isIssuedBy(child, parent);

  const extend = (path: readonly Certificate[]): readonly Certificate[] | undefined => {
    const last = path.at(-1) ?? leaf;
    if (roots.some((root) => root.equals(last))) return path;
    const root = roots.find((candidate) => isIssuer(last, candidate));
    if (root) return [...path, root];
    if (path.length >= MAX_DEPTH) return undefined;
    for (const next of intermediates) {
      const isNew = !path.some((certificate) => certificate.equals(next));
      const found = isNew && isIssuer(last, next) ? extend([...path, next]) : undefined;
      if (found) return found;
    }
    return undefined;
  };
  return extend([leaf]);
}
