// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { getCACertificates } from "node:tls";
import { messageOf } from "@ambientmesh/core";
import type { RootSource, TokenSource } from "../config/model.ts";
import { ztunnelErrors } from "../errors.ts";

/**
 * The token of now.
 * @throws MeshError ZTUNNEL_CREDENTIALS if its file can't be read or is empty
 */
export async function readToken(source: TokenSource): Promise<string> {
  const token = source.kind === "inline" ? source.token : await readText("the service account token", source.path);
  if (token.trim() !== "") return token.trim();
  throw ztunnelErrors.create("ZTUNNEL_CREDENTIALS", "the service account token is empty", { retryable: true });
}

/**
 * The roots of now, in PEM.
 * @throws MeshError ZTUNNEL_CREDENTIALS if their file can't be read
 */
export async function readRoots(source: RootSource): Promise<Buffer> {
  switch (source.kind) {
    case "inline":
      return Buffer.from(source.pem);
    case "system":
      return Buffer.from(getCACertificates("system").join("\n"));
    case "file":
      return Buffer.from(await readText("the root certificate of the control plane", source.path));
  }
}

async function readText(what: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw ztunnelErrors.create("ZTUNNEL_CREDENTIALS", `${what} can't be read from ${path}: ${messageOf(cause)}`, {
      cause,
      retryable: true,
    });
  }
}
