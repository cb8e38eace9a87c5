// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "node:crypto";
import { messageOf } from "@ambientmesh/core";
import { DerReader, TAG, constructedContextTag, contextTag } from "../asn1/reader.ts";
import { decodeInteger, decodeTime } from "../asn1/values.ts";
import { spiffeErrors } from "../errors.ts";
import { formatPem, parsePem } from "../pem.ts";
import { decodeExtensions, decodeUsage, type Extension, type Usage } from "./extensions.ts";

/** No certificate of a working system comes near; the largest post-quantum ones have about 50 kB. */
const MAX_CERTIFICATE_BYTES = 64 * 1024;
/** Hosts trust about 150 public roots. */
const MAX_CERTIFICATES = 1024;

/** A certificate whose bytes were read strictly. Buffers are views of {@link Certificate.der}. */
export class Certificate {
  readonly der: Buffer;
  /** As `config_dump` shows it: decimal. */
  readonly serialNumber: string;
  /** DER of the issuer's and the subject's Name; equal names have equal bytes. */
  readonly issuer: Buffer;
  readonly subject: Buffer;
  /** Milliseconds since 1970. */
  readonly notBeforeMs: number;
  /** Milliseconds since 1970; the certificate is valid up to and including this second. */
  readonly notAfterMs: number;
  /** DER of SubjectPublicKeyInfo. */
  readonly publicKey: Buffer;
  readonly extensions: ReadonlyMap<string, Extension>;
  readonly usage: Usage;
  #x509: X509Certificate | undefined;

  /** @throws MeshError DER_INVALID, CERTIFICATE_INVALID */
  constructor(bytes: Uint8Array) {
    if (bytes.length > MAX_CERTIFICATE_BYTES) {
      throw spiffeErrors.create(
        "CERTIFICATE_INVALID",
        `a certificate has ${bytes.length} bytes, more than ${MAX_CERTIFICATE_BYTES}`,
      );
    }
    // Copied, because what comes from sockets and files is often a slice of a larger, reused chunk.
    this.der = Buffer.from(bytes);
    const outer = new DerReader(this.der, "a certificate");
    const certificate = outer.enter();
    outer.end();
    const tbs = certificate.enter();
    certificate.read(TAG.SEQUENCE);
    certificate.read(TAG.BIT_STRING);
    certificate.end();

    const version = tbs.optional(constructedContextTag(0));
    this.serialNumber = decodeInteger(tbs.read(TAG.INTEGER)).toString();
    tbs.read(TAG.SEQUENCE);
    this.issuer = tbs.read(TAG.SEQUENCE).raw;
    const validity = tbs.enter();
    this.notBeforeMs = decodeTime(validity.read());
    this.notAfterMs = decodeTime(validity.read());
    validity.end();
    this.subject = tbs.read(TAG.SEQUENCE).raw;
    this.publicKey = tbs.read(TAG.SEQUENCE).raw;
    tbs.optional(contextTag(1));
    tbs.optional(contextTag(2));
    const extensions = tbs.optional(constructedContextTag(3));
    tbs.end();
    if (extensions !== undefined && version === undefined) {
      throw spiffeErrors.create("CERTIFICATE_INVALID", "a certificate of version 1 has extensions");
    }
    this.extensions = decodeExtensions(
      (extensions?.open("the extensions") ?? new DerReader(Buffer.of(0x30, 0), "the extensions")).enter(),
    );
    this.usage = decodeUsage(this.extensions);
  }

  /** The one PEM block of this certificate, ending in a newline. */
  get pem(): string {
    return formatPem("CERTIFICATE", this.der);
  }

  /**
   * Node's view of the certificate, for signatures and keys; made on first use.
   * @throws MeshError CERTIFICATE_INVALID if OpenSSL can't read it.
   */
  get x509(): X509Certificate {
    try {
      return (this.#x509 ??= new X509Certificate(this.der));
    } catch (error) {
      throw spiffeErrors.create(
        "CERTIFICATE_INVALID",
        `OpenSSL can't read certificate ${this.serialNumber}: ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    }
  }

  /** True if issuer and subject are the same name; says nothing about the signature. */
  get isSelfIssued(): boolean {
    return this.issuer.equals(this.subject);
  }

  /** True between the two ends of the validity, both included. */
  isValidAt(timeMs: number): boolean {
    return this.notBeforeMs <= timeMs && timeMs <= this.notAfterMs;
  }

  /** True for the same bytes. */
  equals(other: Certificate): boolean {
    return this.der.equals(other.der);
  }
}

/** The certificate in DER. @throws MeshError DER_INVALID, CERTIFICATE_INVALID */
export function parseCertificate(der: Uint8Array): Certificate {
  return new Certificate(der);
}

/**
 * All certificates of a PEM text (one block or many) or the one in DER. Blocks of other kinds are skipped.
 * `what` names the source in error messages ("root-cert.pem").
 * @throws MeshError PEM_INVALID, DER_INVALID, CERTIFICATE_INVALID; also when there is none.
 */
export function parseCertificates(source: string | Uint8Array, what: string): Certificate[] {
  const isDer = typeof source !== "string" && source[0] === TAG.SEQUENCE;
  if (isDer) return [new Certificate(source)];
  const text = typeof source === "string" ? source : Buffer.from(source).toString("latin1");
  const blocks = parsePem(text, { what }).filter(({ label }) => label === "CERTIFICATE");
  if (blocks.length === 0 || blocks.length > MAX_CERTIFICATES) {
    throw spiffeErrors.create(
      "CERTIFICATE_INVALID",
      `${what} holds ${blocks.length} certificates; 1 to ${MAX_CERTIFICATES} are expected`,
    );
  }
  return blocks.map(({ der }) => new Certificate(der));
}
