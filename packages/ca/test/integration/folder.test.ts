// SPDX-License-Identifier: Apache-2.0
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  AUTHORITY_FILE_NAMES,
  CertificateAuthority,
  createIntermediate,
  createRoot,
  materialToFiles,
  readAuthorityFolder,
} from "../../src/index.ts";

const EC = { keyType: "ecdsa-p256" } as const;
const material = await createIntermediate(await createRoot("cluster.local", EC), "middle", EC);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ca-folder-"));
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  await Promise.all(Object.entries(files).map(async ([name, text]) => writeFile(join(folder, name), text)));
}

describe("readAuthorityFolder", () => {
  it("reads Istio's layout with its revocation lists", async () => {
    await write({ ...materialToFiles(material), "ca-crl.pem": "lists" });
    const found = await readAuthorityFolder(folder);
    expect(found).toEqual({ material, crlPem: "lists" });
    expect(new CertificateAuthority(material).certificate.pem).toBe(material.certificatePem);
  });

  it("reads the layout of kubernetes.io/tls", async () => {
    await write({ "tls.crt": material.certificatePem, "tls.key": material.privateKeyPem, "ca.crt": material.rootsPem });
    expect(await readAuthorityFolder(folder)).toEqual({ material: { ...material, chainPem: "" }, crlPem: undefined });
  });

  it("finds nothing in an empty or missing folder", async () => {
    expect(await readAuthorityFolder(folder)).toBeUndefined();
    expect(await readAuthorityFolder(join(folder, "missing"))).toBeUndefined();
    expect(AUTHORITY_FILE_NAMES).toHaveLength(8);
  });

  it("names what is missing or unreadable", async () => {
    await write({ "ca-cert.pem": material.certificatePem });
    await expect(readAuthorityFolder(folder)).rejects.toMatchObject({
      code: "CA_FOLDER_INCOMPLETE",
      details: { where: folder, missing: ["ca-key.pem", "cert-chain.pem", "root-cert.pem"] },
    });
    await mkdir(join(folder, "ca-key.pem"));
    await expect(readAuthorityFolder(folder)).rejects.toMatchObject({ code: "CA_CREDENTIALS_UNREADABLE" });
  });
});
