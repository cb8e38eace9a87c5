// SPDX-License-Identifier: Apache-2.0
import { NAME_TAG, createTestAuthority, deviantCertificate } from "@ambientmesh/testkit";
import * as fc from "fast-check";
import forge from "node-forge";
import { describe, expect, it, test } from "vitest";
import { identityOf, parseCertificate, parseCertificates, svidProblems, type Certificate } from "../../src/index.ts";
import {
  KEY_USAGE,
  OID,
  basicConstraintsExtension,
  der,
  derOid,
  derUtf8,
  keyUsageExtension,
} from "../../src/x509/index.ts";
import { outcomeOf } from "../outcome.ts";

const ID = "spiffe://cluster.local/ns/default/sa/default";
const { authority, svid } = await createTestAuthority();
const { material } = authority;
const good = (await svid(ID)).certificateChain[0];

const otherName = (value: string): Buffer =>
  Buffer.concat([derOid("1.3.6.1.4.1.311.20.2.3"), der(0xa0, derUtf8(value))]);

describe("parseCertificate", () => {
  it("reads what the authority wrote", () => {
    expect(good.usage.names.uris).toEqual([ID]);
    expect(good.usage.areNamesCritical).toBe(true);
    expect(good.usage.isCa).toBe(false);
    expect(good.usage.extendedKeyUsage).toEqual([OID.SERVER_AUTH, OID.CLIENT_AUTH]);
    expect(good.issuer).toEqual(authority.certificate.subject);
    expect(good.usage.authorityKeyId).toEqual(authority.certificate.usage.subjectKeyId);
    expect(authority.certificate.isSelfIssued).toBe(true);
    expect(authority.certificate.usage.isCa).toBe(true);
  });

  it("agrees with OpenSSL", () => {
    for (const certificate of [good, authority.certificate]) {
      const { x509, serialNumber, notBeforeMs, notAfterMs } = certificate;
      expect(BigInt(serialNumber)).toBe(BigInt(`0x${x509.serialNumber}`));
      expect(notBeforeMs).toBe(Date.parse(x509.validFrom));
      expect(notAfterMs).toBe(Date.parse(x509.validTo));
      expect(certificate.publicKey).toEqual(x509.publicKey.export({ type: "spki", format: "der" }));
      expect(certificate.pem).toBe(x509.toString());
    }
  });

  it("reads a certificate that node-forge made, with names of every kind", () => {
    const keys = forge.pki.rsa.generateKeyPair(1024);
    const theirs = forge.pki.createCertificate();
    theirs.publicKey = keys.publicKey;
    theirs.serialNumber = "00abcdef";
    theirs.validity.notBefore = new Date("2024-01-01T00:00:00Z");
    theirs.validity.notAfter = new Date("2055-01-01T00:00:00Z");
    theirs.setSubject([{ name: "commonName", value: "x" }]);
    theirs.setIssuer([{ name: "organizationName", value: "y" }]);
    const altNames = [
      { type: 6, value: ID },
      { type: 2, value: "istiod.istio-system.svc" },
      { type: 7, ip: "10.1.2.3" },
      { type: 1, value: "a@b.c" },
    ];
    theirs.setExtensions([{ name: "subjectAltName", altNames }]);
    theirs.sign(keys.privateKey, forge.md.sha256.create());
    const [read] = parseCertificates(forge.pki.certificateToPem(theirs), "the test") as [Certificate];
    expect(read.serialNumber).toBe(String(0xabcdef));
    expect(new Date(read.notAfterMs).toISOString()).toBe("2055-01-01T00:00:00.000Z");
    expect(read.usage.names).toEqual({
      uris: [ID],
      dnsNames: ["istiod.istio-system.svc"],
      ipAddresses: [Buffer.of(10, 1, 2, 3)],
      otherCount: 1,
    });
  });

  test.each<[string, readonly [number, string | Buffer]]>([
    ["a NUL inside a URI", [NAME_TAG.URI, `${ID}\0.evil.example`]],
    ["a NUL at the end of a URI", [NAME_TAG.URI, `${ID}\0`]],
    ["a line break in a URI", [NAME_TAG.URI, `${ID}\nURI:spiffe://cluster.local/ns/a/sa/admin`]],
    ["a blank in a URI", [NAME_TAG.URI, `${ID} `]],
    ["bytes beyond ASCII in a URI", [NAME_TAG.URI, `${ID}\xe4`]],
    ["an empty URI", [NAME_TAG.URI, ""]],
    ["a NUL in a DNS name", [NAME_TAG.DNS, "istiod.istio-system.svc\0.evil.example"]],
    ["a NUL in an otherName", [NAME_TAG.OTHER, otherName(`${ID}\0`)]],
    ["a name of an unknown kind", [0x89, "x"]],
  ])("refuses %s, and so does not take the rest of the names either", async (_what, name) => {
    const { der: bytes } = await deviantCertificate(material, { names: [[NAME_TAG.URI, ID], name] });
    expect(() => parseCertificate(bytes)).toThrow(expect.objectContaining({ code: "CERTIFICATE_INVALID" }));
  });

  it("refuses an extension that comes twice", async () => {
    const twice = [keyUsageExtension([0]), keyUsageExtension([5])];
    const { der: bytes } = await deviantCertificate(material, { extensions: twice });
    expect(() => parseCertificate(bytes)).toThrow(`${OID.KEY_USAGE} is there twice`);
  });

  it("refuses a certificate above 64 KiB, and a file without any", () => {
    expect(() => parseCertificate(Buffer.alloc(65_537, 0x30))).toThrow("more than 65536");
    expect(() => parseCertificates("# nothing\n", "root-cert.pem")).toThrow("root-cert.pem holds 0 certificates");
  });

  it("copies its input, so that a reused buffer does not change it", () => {
    const chunk = Buffer.from(good.der);
    const read = parseCertificate(chunk);
    chunk.fill(0);
    expect(read.usage.names.uris).toEqual([ID]);
    expect(read.equals(good)).toBe(true);
  });
});

describe("identityOf", () => {
  test.each<[string, readonly (readonly [number, string | Buffer])[], string]>([
    ["no names", [[NAME_TAG.DNS, "a.b"]], "no URI"],
    [
      "two URIs, the first one good",
      [
        [NAME_TAG.URI, ID],
        [NAME_TAG.URI, "spiffe://other/ns/a/sa/b"],
      ],
      "2 URIs",
    ],
    [
      "two equal URIs",
      [
        [NAME_TAG.URI, ID],
        [NAME_TAG.URI, ID],
      ],
      "2 URIs",
    ],
    ["a URI of another kind", [[NAME_TAG.URI, "https://cluster.local/ns/default/sa/default"]], "is no SPIFFE id"],
    ["another form of SPIFFE id", [[NAME_TAG.URI, "spiffe://cluster.local/web"]], "is no SPIFFE id"],
    ["an id in an otherName only", [[NAME_TAG.OTHER, otherName(ID)]], "no URI"],
    ["an id in a DNS name only", [[NAME_TAG.DNS, ID]], "no URI"],
    ["both names inside one URI", [[NAME_TAG.URI, `${ID},URI:${ID}`]], "is no SPIFFE id"],
  ])("%s: nobody", async (_what, names, problem) => {
    const certificate = parseCertificate((await deviantCertificate(material, { names })).der);
    expect(identityOf(certificate)).toEqual({ kind: "invalid", problem: expect.stringContaining(problem) as string });
  });

  it("ignores names of other kinds beside the one URI", async () => {
    const names = [
      [NAME_TAG.OTHER, otherName("a@b")],
      [NAME_TAG.URI, ID],
      [NAME_TAG.DNS, "a.b"],
    ] as const;
    const certificate = parseCertificate((await deviantCertificate(material, { names })).der);
    expect(identityOf(certificate)).toEqual({ kind: "identity", id: ID });
  });

  it("is nobody for an authority", async () => {
    const extensions = [basicConstraintsExtension(true)];
    const certificate = parseCertificate((await deviantCertificate(material, { extensions })).der);
    expect(identityOf(certificate)).toMatchObject({
      kind: "invalid",
      problem: "it belongs to a certificate authority",
    });
  });
});

describe("svidProblems", () => {
  it("finds nothing in what the authority issues", () => expect(svidProblems(good)).toEqual([]));

  test.each([
    ["no key usage", { extensions: [] }, ["it has no key usage"]],
    [
      "a key usage that is not critical",
      { extensions: [{ ...keyUsageExtension([KEY_USAGE.DIGITAL_SIGNATURE]), isCritical: false }] },
      ["its key usage is not critical"],
    ],
    [
      "an authority's key usage",
      { extensions: [keyUsageExtension([KEY_USAGE.KEY_CERT_SIGN])] },
      ["its key usage lacks digitalSignature", "its key usage allows signing certificates or revocation lists"],
    ],
    ["only one purpose", { purposes: [OID.SERVER_AUTH] }, ["its extended key usage lacks serverAuth or clientAuth"]],
    ["no purposes", { purposes: [] }, []],
    ["all purposes", { purposes: [OID.ANY_EXTENDED_KEY_USAGE] }, []],
  ])("%s", async (_what, deviation, problems) => {
    const certificate = parseCertificate((await deviantCertificate(material, deviation)).der);
    expect(svidProblems(certificate)).toEqual(problems);
  });
});

describe("any bytes", () => {
  const codes = ["read", "DER_INVALID", "CERTIFICATE_INVALID", "PEM_INVALID"];

  it("are read or refused with a typed error", async () => {
    const input = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc.uint8Array({ maxLength: 400 }).map((rest) => Buffer.of(0x30, ...rest)),
    );
    await fc.assert(
      fc.asyncProperty(input, async (bytes) => {
        expect(codes).toContain(await outcomeOf(() => parseCertificates(bytes, "the test")));
      }),
    );
  });

  it("made by changing a real certificate are read or refused with a typed error", async () => {
    const change = fc.tuple(fc.nat({ max: good.der.length - 1 }), fc.nat({ max: 255 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 4 }),
        fc.nat({ max: good.der.length }),
        async (changes, end) => {
          const bytes = Buffer.from(good.der);
          for (const [at, value] of changes) bytes[at] = value;
          const use = (input: Buffer): void => {
            const certificate = parseCertificate(input);
            svidProblems(certificate);
          };
          expect(codes).toContain(await outcomeOf(() => use(bytes)));
          expect(codes).toContain(await outcomeOf(() => use(bytes.subarray(0, end))));
        },
      ),
      { numRuns: 500 },
    );
  });
});
