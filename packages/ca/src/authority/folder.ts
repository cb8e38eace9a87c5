// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { caErrors } from "../errors.ts";
import { CRL_FILE, ISTIO_FILES, TLS_FILES, materialFromFiles, type AuthorityMaterial } from "./material.ts";

/** What a folder with a plugged-in authority holds. */
export interface AuthorityFolder {
  readonly material: AuthorityMaterial;
  /** Revocation lists to hand out, if there are any. */
  readonly crlPem: string | undefined;
}

/** Every file that {@link readAuthorityFolder} looks at; watch these to follow changes. */
export const AUTHORITY_FILE_NAMES: readonly string[] = [
  ...Object.values(ISTIO_FILES),
  ...Object.values(TLS_FILES),
  CRL_FILE,
];

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw caErrors.create("CA_CREDENTIALS_UNREADABLE", `${path} can't be read`, { cause: error });
  }
}

/**
 * The authority in a mounted folder (Istio's `./etc/cacerts`); undefined if the folder is not there or holds nothing of it.
 * @throws MeshError CA_FOLDER_INCOMPLETE, CA_CREDENTIALS_UNREADABLE
 */
export async function readAuthorityFolder(folder: string): Promise<AuthorityFolder | undefined> {
  const files = Object.fromEntries(
    await Promise.all(
      AUTHORITY_FILE_NAMES.map(async (name) => [name, await readOptional(join(folder, name))] as const),
    ),
  );
  const material = materialFromFiles(files, folder);
  return material && { material, crlPem: files[CRL_FILE] };
}
