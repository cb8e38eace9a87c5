// SPDX-License-Identifier: Apache-2.0
import { deepStrictEqual, ok } from "node:assert/strict";
import { createIntermediate, createRoot } from "@ambientmesh/ca";
import { createTestAuthority, sizeOf, type FuzzTarget, type FuzzTargets } from "@ambientmesh/testkit";
import type { MeshError } from "@ambientmesh/core";
import {
  createCsr,
  formatPem,
  formatSpiffeId,
  identityOf,
  isSpiffeId,
  parseCertificate,
  parseCertificates,
  parseCsr,
  parsePem,
  parseRevocationLists,
  parseSpiffeId,
  parseTrustBundle,
  spiffeErrors,
  spiffeIdParts,
  svidProblems,
} from "../src/index.ts";
import { decodeAlternativeNames } from "../src/x509/general-names.ts";

const ID = "spiffe://cluster.local/ns/default/sa/default";
/** DER of tags, lengths and object identifiers that certificates are made of. */
const DER_TOKENS = [
  "3000",
  "3080",
  "0603551d11",
  "0603551d0f",
  "0603551d13",
  "0101ff",
  "a003020102",
  "30818f",
  "8600",
].map((hex) => Buffer.from(hex, "hex"));

const material = (async () => {
  const direct = await createTestAuthority();
  const below = await createTestAuthority({
    material: await createIntermediate(await createRoot("o"), "i", { keyType: "ecdsa-p384" }),
  });
  const svids = [await direct.svid(ID), await below.svid(ID)];
  for (const { certificateChain } of svids) direct.authority.revoke(certificateChain[0]);
  const { csrPem } = await createCsr({ id: parseSpiffeId(ID) });
  const certificates = svids.flatMap(({ certificateChain, trustBundle }) => certificateChain.concat(trustBundle.roots));
  return { certificates, csrPem, crlPem: await direct.authority.crl() };
})();

const derOf = (pem: string): Buffer => parsePem(pem, { what: "seed" })[0]?.der as Buffer;

/** The reason without what was read: numbers and quoted texts. */
function refusal({ code, message }: MeshError): string {
  const words = message.replaceAll(/"(?:[^"\\]|\\.)*"?/g, "").match(/\b[a-z]+\b/gi) ?? [];
  return [code, ...words.slice(0, 8)].join(" ");
}

/** A typed error is a proper answer to anything; everything else is a bug. Decoded values stay near their input's size. */
function reading<T>(input: Buffer, read: () => T, check?: (value: T) => string | undefined): string | undefined {
  let value: T;
  try {
    value = read();
  } catch (error) {
    if (!spiffeErrors.is(error)) throw error;
    return refusal(error);
  }
  sizeOf(value, 4096 + 64 * input.length);
  return check === undefined ? "read" : check(value);
}

const certificate: FuzzTarget["run"] = (input) =>
  reading(
    input,
    () => {
      const read = parseCertificate(input);
      return {
        identity: identityOf(read),
        problems: svidProblems(read),
        isCa: read.usage.isCa,
        held: [read.extensions, read.serialNumber],
      };
    },
    ({ identity, problems, isCa }) => {
      if (identity.kind === "identity")
        ok(!isCa && isSpiffeId(identity.id), "an authority or a wrong id is an identity");
      return `${identity.kind} ${isCa} ${problems.map((problem) => problem.slice(0, 40)).join()}`;
    },
  );

const request: FuzzTarget["run"] = async (input) => {
  try {
    const { names } = await parseCsr(formatPem("CERTIFICATE REQUEST", input));
    sizeOf(names, 4096 + 8 * input.length);
    return "read";
  } catch (error) {
    if (!spiffeErrors.is(error)) throw error;
    return refusal(error);
  }
};

const id: FuzzTarget["run"] = (input) => {
  const text = input.toString("latin1");
  if (!isSpiffeId(text)) return reading(input, () => parseSpiffeId(text));
  deepStrictEqual(formatSpiffeId(spiffeIdParts(text)), text);
  return "an id";
};

export const targets: FuzzTargets = {
  certificate: {
    run: certificate,
    seeds: async () => (await material).certificates.map(({ der }) => der),
    tokens: DER_TOKENS,
  },
  "alternative-names": {
    run: (input) => reading(input, () => decodeAlternativeNames(input)),
    seeds: async () =>
      (await material).certificates.flatMap(({ extensions }) => [...extensions.values()].map(({ value }) => value)),
    tokens: [...DER_TOKENS, "spiffe://"],
  },
  "signing-request": { run: request, seeds: async () => [derOf((await material).csrPem)], tokens: DER_TOKENS },
  "revocation-list": {
    run: (input) => reading(input, () => parseRevocationLists(input, "fuzz").length, String),
    seeds: async () => [derOf((await material).crlPem)],
    tokens: DER_TOKENS,
  },
  pem: {
    run: (input) =>
      reading(
        input,
        () => [parseCertificates(input, "fuzz").length, parseTrustBundle(input).roots.length],
        ([all, roots]) => `${Math.min(all ?? 0, 3)} ${Math.min(roots ?? 0, 3)}`,
      ),
    seeds: async () => {
      const { certificates, csrPem } = await material;
      return [Buffer.from(certificates.map(({ pem }) => pem).join("# between\r\n")), Buffer.from(csrPem)];
    },
    tokens: ["-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", "-----BEGIN X509 CRL-----\n", "=", "\r\n"],
  },
  id: {
    run: id,
    seeds: () => [Buffer.from(ID)],
    tokens: ["spiffe://", "/ns/", "/sa/", "cluster.local", "%2e", ".."],
    maxLength: 4096,
  },
};
