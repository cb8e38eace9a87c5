// SPDX-License-Identifier: Apache-2.0
import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { KEY_TYPES, createCsr, parseSpiffeId } from "@ambientmesh/spiffe";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { CertificateAuthority, createIntermediate, createRoot, renewRoot } from "../../src/index.ts";

// The openssl program as a witness that is not ours. Needs `openssl` on the PATH; the tests say that they were skipped without it.
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
const run = promisify(execFile);
const id = parseSpiffeId("spiffe://cluster.local/ns/default/sa/web");
const EC = { keyType: "ecdsa-p256" } as const;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ca-openssl-"));
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

let files = 0;
async function file(text: string): Promise<string> {
  const path = join(folder, `${files++}.pem`);
  await writeFile(path, text);
  return path;
}
const openssl = async (...options: readonly string[]): Promise<string> => (await run("openssl", options)).stdout;

describe.skipIf(!hasOpenssl)("openssl", () => {
  test.each(KEY_TYPES)("verifies leaves of an authority of type %s strictly, for both purposes", async (keyType) => {
    const root = await createRoot("cluster.local", { keyType });
    const middle = await createIntermediate(root, "middle", { keyType });
    const { csrPem } = await createCsr({ id });
    for (const material of [root, middle]) {
      const { chain } = await new CertificateAuthority(material).sign({ csrPem, id });
      const [leaf, ...above] = (await Promise.all(chain.map(file))) as [string, ...string[]];
      const untrusted = above.slice(0, -1).flatMap((path) => ["-untrusted", path]);
      for (const purpose of ["sslserver", "sslclient"]) {
        const options = ["-x509_strict", "-purpose", purpose, "-CAfile", above.at(-1) as string, ...untrusted];
        expect(await openssl("verify", ...options, leaf)).toBe(`${leaf}: OK\n`);
      }
    }
  });

  it("reads in a leaf what we wrote", async () => {
    const authority = new CertificateAuthority(await createRoot("cluster.local", EC));
    const { chain } = await authority.sign({ csrPem: (await createCsr({ id })).csrPem, id });
    const text = await openssl("x509", "-in", await file(chain[0] as string), "-noout", "-text");
    expect(text).toMatch(/Version: 3/);
    expect(text).toMatch(/Issuer: O ?= ?cluster.local\n/);
    expect(text).toMatch(/Subject: *\n/);
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature, Key Encipherment\s/);
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE\s/);
    expect(text).toMatch(/Extended Key Usage: *\s+TLS Web Server Authentication, TLS Web Client Authentication\s/);
    expect(text).toMatch(new RegExp(`Subject Alternative Name: critical\\s+URI:${id}\\s`));
  });

  it("reads in a root what we wrote, and takes a renewed root for leaves of the old one", async () => {
    const root = await createRoot("cluster.local", EC);
    const text = await openssl("x509", "-in", await file(root.certificatePem), "-noout", "-text");
    expect(text).toMatch(/Basic Constraints: critical\s+CA:TRUE\s/);
    expect(text).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign\s/);
    const { chain } = await new CertificateAuthority(root).sign({ csrPem: (await createCsr({ id })).csrPem, id });
    const leaf = await file(chain[0] as string);
    const renewed = await renewRoot(root);
    expect(await openssl("verify", "-x509_strict", "-CAfile", await file(renewed.certificatePem), leaf)).toBe(
      `${leaf}: OK\n`,
    );
  });

  it("takes our serving certificates for their names only", async () => {
    const authority = new CertificateAuthority(await createRoot("cluster.local", EC));
    const { certificateChainPem, rootsPem } = await authority.issueServing({
      names: ["istiod.istio-system.svc", "fd00::1"],
    });
    const [leaf, roots] = [await file(certificateChainPem), await file(rootsPem)];
    const verify = async (...name: string[]): Promise<string> =>
      openssl("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", roots, ...name, leaf);
    expect(await verify("-verify_hostname", "istiod.istio-system.svc")).toContain("OK");
    expect(await verify("-verify_ip", "fd00::1")).toContain("OK");
    await expect(verify("-verify_hostname", "other.svc")).rejects.toThrow(/mismatch/i);
  });

  it("refuses what our list revokes, and nothing else", async () => {
    const authority = new CertificateAuthority(await createRoot("cluster.local", EC));
    const { csrPem } = await createCsr({ id });
    const [bad, good] = [await authority.sign({ csrPem, id }), await authority.sign({ csrPem, id })];
    authority.revoke(bad);
    const [roots, list] = [await file(authority.rootsPem), await file(await authority.crl())];
    const verify = async (path: string): Promise<string> =>
      openssl("verify", "-crl_check", "-CAfile", roots, "-CRLfile", list, path);
    await expect(verify(await file(bad.chain[0] as string))).rejects.toThrow(/certificate revoked/);
    expect(await verify(await file(good.chain[0] as string))).toContain("OK");
    expect(await openssl("crl", "-in", list, "-noout", "-text", "-CAfile", roots)).toMatch(/Version 2/);
  });
});
