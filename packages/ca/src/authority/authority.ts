// SPDX-License-Identifier: Apache-2.0
import { isIP } from "node:net";
import { systemClock, type Clock } from "@ambientmesh/core";
import {
  formatPem,
  generateKey,
  parseCsr,
  privateKeyPem,
  type Certificate,
  type KeyType,
  type ParsedCsr,
  type SpiffeId,
  type TrustBundle,
} from "@ambientmesh/spiffe";
import {
  KEY_USAGE,
  OID,
  authorityKeyIdExtension,
  basicConstraintsExtension,
  buildCertificate,
  buildRevocationList,
  derInteger,
  encodeAlternativeNames,
  encodeName,
  extendedKeyUsageExtension,
  keyUsageExtension,
  publicKeyDer,
  type AlternativeName,
  type Extension,
} from "@ambientmesh/spiffe/x509";
import { caErrors } from "../errors.ts";
import type { AuthorityMaterial } from "./material.ts";
import { Revocations, type Revocation } from "./revocations.ts";
import { BACKDATE_MS } from "./roots.ts";
import { randomSerialNumber } from "./serial-number.ts";
import { readSigner, type AuthoritySigner } from "./signer.ts";

/** What an authority issues. Istio's names and defaults. */
export interface IssuingPolicy {
  /** DEFAULT_WORKLOAD_CERT_TTL, 24 h: for requests that ask for no time or none above zero. */
  readonly defaultTtlSeconds: number;
  /** MAX_WORKLOAD_CERT_TTL, 90 days: longer requests are refused. */
  readonly maxTtlSeconds: number;
}

const DEFAULT_POLICY: IssuingPolicy = { defaultTtlSeconds: 86_400, maxTtlSeconds: 90 * 86_400 };
/** As long as Istio's self-signed root: the authority renews its own serving certificate anyway. */
const SERVING_TTL_SECONDS = 3650 * 86_400;
const CRL_TTL_MS = 7 * 86_400_000;
const MAX_REVOCATIONS = 25_000;
/** Upper bound of a common name (RFC 5280, appendix A). */
const MAX_COMMON_NAME = 64;
const DNS_NAME = /^(\*\.)?([a-z0-9_]([a-z0-9-_]{0,61}[a-z0-9_])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

const LEAF_EXTENSIONS: readonly Extension[] = [
  keyUsageExtension([KEY_USAGE.DIGITAL_SIGNATURE, KEY_USAGE.KEY_ENCIPHERMENT]),
  basicConstraintsExtension(false),
];
const PEER_PURPOSES = extendedKeyUsageExtension([OID.SERVER_AUTH, OID.CLIENT_AUTH]);
const SERVER_PURPOSE = extendedKeyUsageExtension([OID.SERVER_AUTH]);

/** A certificate for somebody whose identity the caller has established. */
export interface SigningRequest {
  /** PKCS#10, PEM. Only its key is used; the names it asks for are not. */
  readonly csrPem: string;
  readonly id: SpiffeId;
  /** 0 or less, or left out: the policy's default. */
  readonly ttlSeconds?: number;
}

/** What the authority answers a request with. */
export interface IssuedCertificate {
  /** PEM texts as `IstioCertificateResponse.cert_chain` wants them: leaf, each intermediate, and last all roots in one. */
  readonly chain: readonly string[];
  /** Decimal. */
  readonly serialNumber: string;
  /** Milliseconds since 1970. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** A certificate with DNS names, for the control plane itself. */
export interface ServingCertificate {
  /** Leaf and intermediates, PEM. */
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
  readonly rootsPem: string;
  readonly notAfterMs: number;
}

interface Leaf {
  readonly subject: Uint8Array;
  readonly names: readonly AlternativeName[];
  readonly purposes: Extension;
  readonly publicKey: Uint8Array;
  readonly ttlSeconds: number;
}

function keyTypeLike({ privateKey }: AuthoritySigner): KeyType {
  if (privateKey.asymmetricKeyType !== "ec") return "rsa-2048";
  return privateKey.asymmetricKeyDetails?.namedCurve === "secp384r1" ? "ecdsa-p384" : "ecdsa-p256";
}

function servingName(name: string): AlternativeName {
  if (isIP(name) !== 0) return { ipAddress: name };
  if (name.length <= 253 && DNS_NAME.test(name)) return { dnsName: name };
  throw caErrors.create(
    "CA_NAME_INVALID",
    `${JSON.stringify(name)} is neither a DNS name in lower case nor an IP address`,
  );
}

/** Signs certificates for identities that its caller has authenticated. Holds the key; never shows it but as its material. */
export class CertificateAuthority {
  readonly #clock: Clock;
  readonly #policy: IssuingPolicy;
  readonly #revocations: Revocations;
  #signer: AuthoritySigner;

  /** @throws MeshError CA_MATERIAL_INVALID and what else {@link readSigner} throws */
  constructor(
    material: AuthorityMaterial,
    options: {
      readonly policy?: Partial<IssuingPolicy>;
      /** What was revoked before, as {@link CertificateAuthority.revocations} gave it. */
      readonly revocations?: readonly Revocation[];
      readonly clock?: Clock;
    } = {},
  ) {
    this.#clock = options.clock ?? systemClock;
    this.#policy = { ...DEFAULT_POLICY, ...options.policy };
    this.#revocations = new Revocations(options.revocations ?? [], MAX_REVOCATIONS);
    this.#signer = readSigner(material);
  }

  /** Everything that has to be kept to have the same authority again, its private key included. */
  get material(): AuthorityMaterial {
    return this.#signer.material;
  }

  /** The certificate that signs. */
  get certificate(): Certificate {
    return this.#signer.certificate;
  }

  get trustBundle(): TrustBundle {
    return this.#signer.trustBundle;
  }

  /** All roots in one PEM text. */
  get rootsPem(): string {
    return this.#signer.rootsPem;
  }

  /** Changes to other material: a renewed root or intermediate, more roots. @throws as the constructor, keeping what was there */
  replace(material: AuthorityMaterial): void {
    this.#signer = readSigner(material);
  }

  /** @throws MeshError CA_CSR_INVALID, CA_TTL_TOO_LONG, CA_SIGNER_EXPIRED */
  async sign({ csrPem, id, ttlSeconds = 0 }: SigningRequest): Promise<IssuedCertificate> {
    const { defaultTtlSeconds, maxTtlSeconds } = this.#policy;
    if (ttlSeconds > maxTtlSeconds) {
      throw caErrors.create(
        "CA_TTL_TOO_LONG",
        `${id} asked for a certificate of ${ttlSeconds} s; ${maxTtlSeconds} s is the longest that is issued`,
      );
    }
    const csr = await readCsr(csrPem, id);
    const isNamed = csr.hasCommonName && id.length <= MAX_COMMON_NAME;
    return this.#issue({
      subject: encodeName(isNamed ? { commonName: id } : {}),
      names: [{ uri: id }],
      purposes: PEER_PURPOSES,
      publicKey: csr.publicKeyDer,
      ttlSeconds: ttlSeconds > 0 ? ttlSeconds : defaultTtlSeconds,
    });
  }

  /**
   * A key and certificate for a server with these DNS names or IP addresses; key type as the authority's, no upper limit on time
   * but the authority's own end.
   * @throws MeshError CA_NAME_INVALID, CA_SIGNER_EXPIRED
   */
  async issueServing(request: {
    readonly names: readonly string[];
    /** Default 10 years. */
    readonly ttlSeconds?: number;
  }): Promise<ServingCertificate> {
    const names = [...new Set(request.names)].toSorted().map(servingName);
    if (names.length === 0) throw caErrors.create("CA_NAME_INVALID", "a serving certificate needs a name");
    const { privateKey, publicKey } = await generateKey(keyTypeLike(this.#signer));
    const { chain, notAfterMs } = await this.#issue({
      subject: encodeName({}),
      names,
      purposes: SERVER_PURPOSE,
      publicKey: publicKeyDer(publicKey),
      ttlSeconds: request.ttlSeconds ?? SERVING_TTL_SECONDS,
    });
    return {
      certificateChainPem: chain.slice(0, -1).join(""),
      privateKeyPem: privateKeyPem(privateKey),
      rootsPem: this.rootsPem,
      notAfterMs,
    };
  }

  /** Puts a certificate of this authority on its list. @throws MeshError CA_REVOCATIONS_FULL */
  revoke(certificate: { readonly serialNumber: string; readonly notAfterMs?: number }): void {
    this.#revocations.add({ ...certificate, revokedAtMs: this.#clock.now() });
  }

  /** What is revoked and has not expired, to be kept. */
  get revocations(): readonly Revocation[] {
    return this.#revocations.current(this.#clock.now());
  }

  /** The revocation list, PEM, signed by the signing certificate's key; it covers what that certificate issued. */
  async crl(): Promise<string> {
    const nowMs = this.#clock.now();
    const { certificate, signer } = this.#signer;
    const keyId = certificate.usage.subjectKeyId;
    const fields = {
      issuer: certificate.subject,
      thisUpdateMs: nowMs,
      nextUpdateMs: nowMs + CRL_TTL_MS,
      revoked: this.revocations.map(({ serialNumber, revokedAtMs }) => ({
        serialNumber: BigInt(serialNumber),
        revokedAtMs,
      })),
      extensions: [
        ...(keyId ? [authorityKeyIdExtension(keyId)] : []),
        // Has to grow from list to list; the time does (RFC 5280 5.2.3).
        { oid: OID.CRL_NUMBER, isCritical: false, value: derInteger(nowMs) },
      ],
    };
    return buildRevocationList(fields, signer);
  }

  async #issue({ subject, names, purposes, publicKey, ttlSeconds }: Leaf): Promise<IssuedCertificate> {
    const { certificate, signer, intermediatesPem, rootsPem, notAfterMs: latest } = this.#signer;
    const now = this.#clock.now();
    if (now > latest) {
      throw caErrors.create(
        "CA_SIGNER_EXPIRED",
        `a certificate of the authority expired at ${new Date(latest).toISOString()}`,
      );
    }
    const keyId = certificate.usage.subjectKeyId;
    const serialNumber = randomSerialNumber();
    const notBeforeMs = wholeSeconds(now - BACKDATE_MS);
    const notAfterMs = wholeSeconds(Math.min(now + ttlSeconds * 1000, latest));
    const leaf = await buildCertificate(
      {
        serialNumber,
        issuer: certificate.subject,
        subject,
        notBeforeMs,
        notAfterMs,
        publicKey,
        extensions: [
          ...LEAF_EXTENSIONS,
          purposes,
          // Critical, because the subject is empty (RFC 5280 4.2.1.6).
          { oid: OID.SUBJECT_ALT_NAME, isCritical: true, value: encodeAlternativeNames(names) },
          ...(keyId ? [authorityKeyIdExtension(keyId)] : []),
        ],
      },
      signer,
    );
    return {
      chain: [formatPem("CERTIFICATE", leaf), ...intermediatesPem, rootsPem],
      serialNumber: serialNumber.toString(),
      notBeforeMs,
      notAfterMs,
    };
  }
}

/** Certificates have no smaller unit. */
const wholeSeconds = (timeMs: number): number => Math.floor(timeMs / 1000) * 1000;

async function readCsr(csrPem: string, id: SpiffeId): Promise<ParsedCsr> {
  try {
    return await parseCsr(csrPem);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw caErrors.create("CA_CSR_INVALID", `the request for ${id} was refused: ${problem}`, { cause: error });
  }
}
