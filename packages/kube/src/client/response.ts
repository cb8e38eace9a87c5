// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";

import { messageOf, type MeshError } from "@ambientmesh/core";
import { kubeErrors } from "../errors.ts";
import { isJsonObject, type JsonObject } from "../json/json.ts";
import { errorOfStatus } from "../status/status.ts";

// Of a refusal only a reason is wanted.
const MAX_FAILURE_BYTES = 64 * 1024;

/**
 * Reads a whole body as text.
 * @throws MeshError KUBE_RESPONSE_TOO_LARGE, KUBE_RESPONSE_INVALID when it breaks off, ABORTED as the request's signal says.
 */
async function readText(response: IncomingMessage, what: string, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) {
        const message = `${what}: the answer is larger than ${maxBytes} bytes`;
        throw kubeErrors.create("KUBE_RESPONSE_TOO_LARGE", message, { details: { maxBytes } });
      }
      chunks.push(chunk);
    }
  } catch (error) {
    throw bodyFailure(error, what);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** What a broken body is to callers: errors of our own pass, everything else means that the answer broke off. */
export function bodyFailure(error: unknown, what: string): Error {
  const isOwn = error instanceof Error && "code" in error && /^(KUBE_|ABORTED$)/.test(String(error.code));
  if (isOwn) return error;
  const message = `${what}: the answer broke off: ${messageOf(error)}`;
  return kubeErrors.create("KUBE_RESPONSE_INVALID", message, { cause: error, retryable: true });
}

/** Reads a body as a JSON object. @throws MeshError as {@link readText}, KUBE_RESPONSE_INVALID when it is none. */
export async function readJson(response: IncomingMessage, what: string, maxBytes: number): Promise<JsonObject> {
  const text = await readText(response, what, maxBytes);
  const value = parsed(text);
  if (value !== undefined) return value;
  throw kubeErrors.create("KUBE_RESPONSE_INVALID", `${what}: the answer is no JSON object`, {
    details: { begin: text.slice(0, 200) },
  });
}

function parsed(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    // The caller says what it means that there is no JSON.
    return undefined;
  }
}

/** The error of an answer with a failing status. */
export async function failureOf(response: IncomingMessage, what: string): Promise<MeshError> {
  const httpStatus = response.statusCode ?? 0;
  const retryAfter = Number(response.headers["retry-after"]);
  const retryAfterMs = Number.isFinite(retryAfter) && retryAfter >= 0 ? retryAfter * 1000 : undefined;
  let text: string;
  try {
    text = await readText(response, what, MAX_FAILURE_BYTES);
  } catch (error) {
    // The status alone has to do; the rest of a failing body is of no use.
    response.destroy();
    text = messageOf(error);
  }
  const status = parsed(text);
  if (status?.["kind"] === "Status") return errorOfStatus(status, { httpStatus, what, retryAfterMs });
  return errorOfStatus(undefined, { httpStatus, what, retryAfterMs, text: text.slice(0, 500) });
}
