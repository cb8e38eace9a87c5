// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import type { Agent } from "node:http";
import { messageOf, type Clock } from "@ambientmesh/core";
import { kubeErrors } from "../errors.ts";

/** TLS towards the API server; all in PEM. */
export interface TlsSettings {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  /** False only where a kubeconfig says insecure-skip-tls-verify. */
  readonly rejectUnauthorized?: boolean;
}

/** How to authenticate now. The same `tls` object means the same settings. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsSettings;
  /** Brings its own way to the server, such as a proxy. */
  readonly agent?: Agent;
}

/** Where credentials come from; they may change while a program runs. */
export interface CredentialSource {
  current(): Promise<Credentials>;
  /** The server refused what {@link current} gave: the next call has to look again. */
  invalidate(): void;
}

/** A value, or the file that holds it. */
export type TextOrFile = { readonly text: string } | { readonly file: string };

/** Parts of credentials, each given or in a file. */
export interface CredentialParts {
  readonly token?: TextOrFile | undefined;
  readonly ca?: TextOrFile | undefined;
  readonly cert?: TextOrFile | undefined;
  readonly key?: TextOrFile | undefined;
  /** Basic authentication, base64 of user:password. */
  readonly basic?: string | undefined;
  readonly servername?: string | undefined;
  readonly rejectUnauthorized?: boolean | undefined;
}

// Kubernetes replaces projected tokens long before they end; a minute is what its own clients wait.
const REREAD_MS = 60_000;
const MAX_FILE_BYTES = 1024 * 1024;

/** Credentials from given texts and files; files are read again every minute and after a refusal. */
export function partsCredentials(parts: CredentialParts, clock: Clock): CredentialSource {
  let cached: { readonly credentials: Credentials; readonly readAtMs: number } | undefined;
  let reading: Promise<Credentials> | undefined;
  const read = async (): Promise<Credentials> => {
    try {
      const credentials = await readParts(parts, cached?.credentials);
      cached = { credentials, readAtMs: clock.monotonicMs() };
      return credentials;
    } finally {
      reading = undefined;
    }
  };
  return {
    async current() {
      if (cached !== undefined && clock.monotonicMs() - cached.readAtMs < REREAD_MS) return cached.credentials;
      // Calls at the same time share one reading: two would pass for a change of certificates and end connections.
      reading ??= read();
      return reading;
    },
    invalidate() {
      // What was read stays known, so that an unchanged certificate keeps its connections.
      if (cached !== undefined) cached = { ...cached, readAtMs: Number.NEGATIVE_INFINITY };
    },
  };
}

async function readParts(parts: CredentialParts, previous: Credentials | undefined): Promise<Credentials> {
  const token = (await readPart(parts.token, "token"))?.trim();
  const tls: TlsSettings = {
    ...withText("ca", await readPart(parts.ca, "CA certificate")),
    ...withText("cert", await readPart(parts.cert, "client certificate")),
    ...withText("key", await readPart(parts.key, "client key")),
    ...(parts.servername !== undefined && { servername: parts.servername }),
    ...(parts.rejectUnauthorized === false && { rejectUnauthorized: false }),
  };
  const authorization =
    token !== undefined && token !== ""
      ? `Bearer ${token}`
      : parts.basic === undefined
        ? undefined
        : `Basic ${parts.basic}`;
  return {
    headers: authorization === undefined ? {} : { authorization },
    tls: previous !== undefined && isSameTls(previous.tls, tls) ? previous.tls : tls,
  };
}

const withText = (key: "ca" | "cert" | "key", text: string | undefined): TlsSettings =>
  text === undefined ? {} : { [key]: text };

/** True if two settings give the same connections. */
export function isSameTls(a: TlsSettings, b: TlsSettings): boolean {
  const fields = ["ca", "cert", "key", "servername", "rejectUnauthorized"] as const;
  return fields.every((field) => a[field] === b[field]);
}

async function readPart(part: TextOrFile | undefined, what: string): Promise<string | undefined> {
  if (part === undefined) return undefined;
  if ("text" in part) return part.text;
  try {
    const text = await readFile(part.file, "utf8");
    if (text.length > MAX_FILE_BYTES) throw new RangeError(`it is larger than ${MAX_FILE_BYTES} bytes`);
    return text;
  } catch (error) {
    throw kubeErrors.create("KUBE_CONFIG_INVALID", `the ${what} can't be read from ${part.file}: ${messageOf(error)}`, {
      cause: error,
      details: { file: part.file },
    });
  }
}
