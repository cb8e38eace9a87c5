// SPDX-License-Identifier: Apache-2.0
import { spiffeErrors } from "../errors.ts";

declare const spiffeIdBrand: unique symbol;
declare const trustDomainBrand: unique symbol;

/** `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`, checked. Compare with `===`; never turn it into a pattern. */
export type SpiffeId = string & { readonly [spiffeIdBrand]: true };
/** The name of a set of roots ("cluster.local"), checked. */
export type TrustDomain = string & { readonly [trustDomainBrand]: true };

/** What a {@link SpiffeId} says. */
export interface SpiffeIdParts {
  readonly trustDomain: TrustDomain;
  readonly namespace: string;
  readonly serviceAccount: string;
}

const SCHEME = "spiffe://";
/** SPIFFE-ID 2.3: no id is longer than this, so none has to be stored. */
const MAX_ID_LENGTH = 2048;
/** SPIFFE-ID 2.1 limits the authority to 255 bytes. */
const MAX_TRUST_DOMAIN_LENGTH = 255;
// The characters of SPIFFE-ID 2.1 and 2.2. Capitals are let into trust domains, as Istio does; ids are compared octet by octet.
const SEGMENT = /^[A-Za-z0-9._-]*$/;

const isSegment = (text: string): boolean => SEGMENT.test(text) && text !== "." && text !== "..";
const isTrustDomain = (text: string): text is TrustDomain =>
  text.length > 0 && text.length <= MAX_TRUST_DOMAIN_LENGTH && isSegment(text);

/**
 * Reads the name of a trust domain.
 * @throws MeshError SPIFFE_ID_INVALID
 */
export function parseTrustDomain(text: string): TrustDomain {
  if (isTrustDomain(text)) return text;
  throw spiffeErrors.create(
    "SPIFFE_ID_INVALID",
    `${JSON.stringify(text.slice(0, 300))} is no trust domain: 1 to ${MAX_TRUST_DOMAIN_LENGTH} letters, digits, dots, dashes and underscores`,
  );
}

/** The parts of a text that follows the grammar, undefined for any other. Empty namespaces and accounts are let through, as in Istio. */
function split(text: string): SpiffeIdParts | undefined {
  if (text.length > MAX_ID_LENGTH || !text.startsWith(SCHEME)) return undefined;
  const segments = text.slice(SCHEME.length).split("/");
  const [trustDomain = "", ns, namespace = "", sa, serviceAccount = ""] = segments;
  if (segments.length !== 5 || ns !== "ns" || sa !== "sa") return undefined;
  if (!isTrustDomain(trustDomain) || !isSegment(namespace) || !isSegment(serviceAccount)) return undefined;
  return { trustDomain, namespace, serviceAccount };
}

/** True for a text that is a SPIFFE id of the mesh's form. */
export function isSpiffeId(text: string): text is SpiffeId {
  return split(text) !== undefined;
}

/**
 * Reads an id of the one form that the mesh uses.
 * @throws MeshError SPIFFE_ID_INVALID
 */
export function parseSpiffeId(text: string): SpiffeId {
  if (isSpiffeId(text)) return text;
  throw spiffeErrors.create(
    "SPIFFE_ID_INVALID",
    `${JSON.stringify(text.slice(0, 300))} is not spiffe://<trust domain>/ns/<namespace>/sa/<service account>`,
  );
}

/** The parts of an id. */
export function spiffeIdParts(id: SpiffeId): SpiffeIdParts {
  // A branded string was split before, so that it can be split again.
  return split(id) as SpiffeIdParts;
}

/** The trust domain of an id. */
export function trustDomainOf(id: SpiffeId): TrustDomain {
  return spiffeIdParts(id).trustDomain;
}

/**
 * The id of a service account.
 * @throws MeshError SPIFFE_ID_INVALID if a part holds a character that ids don't have.
 */
export function formatSpiffeId(parts: {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}): SpiffeId {
  return parseSpiffeId(`${SCHEME}${parts.trustDomain}/ns/${parts.namespace}/sa/${parts.serviceAccount}`);
}
