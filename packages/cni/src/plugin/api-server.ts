// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { request as requestPlain, type ClientRequest, type IncomingMessage } from "node:http";
import { request as requestTls } from "node:https";
import { messageOf } from "@ambientmesh/core";
import { cniErrors } from "../errors.ts";
import type { ApiAccess } from "./kubeconfig.ts";

const MAX_BYTES = 4 * 1024 * 1024;

/**
 * Reads one object. The plugin is a program of its own on the node and brings no client library along.
 * @throws MeshError CNI_API_SERVER_FAILED
 */
export async function getObject<T>(access: ApiAccess, path: string, signal: AbortSignal): Promise<T> {
  const fail = (why: string, cause?: unknown): Error =>
    cniErrors.create("CNI_API_SERVER_FAILED", `GET ${path} of ${access.server.host}: ${why}`, {
      cause,
      retryable: true,
    });
  let status: number;
  let text: string;
  try {
    const response = await send(access, path, signal);
    status = response.statusCode ?? 0;
    text = await bounded(response);
  } catch (error) {
    throw fail(messageOf(error), error);
  }
  const body = parseJson(text);
  if (status === 200 && body !== undefined) return body as T;
  const said = (body as { readonly message?: unknown } | undefined)?.message;
  throw fail(typeof said === "string" ? said : `it answered with status ${status}`);
}

async function send(access: ApiAccess, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  const { server, ca, token, certificate, key, isVerified } = access;
  const options = {
    signal,
    headers: { accept: "application/json", ...(token !== undefined && { authorization: `Bearer ${token}` }) },
  };
  const tls = {
    rejectUnauthorized: isVerified,
    ...(ca !== undefined && { ca }),
    ...(certificate !== undefined && { cert: certificate }),
    ...(key !== undefined && { key }),
  };
  const url = new URL(path, server);
  const call: ClientRequest =
    server.protocol === "https:" ? requestTls(url, { ...options, ...tls }) : requestPlain(url, options);
  const answered = once(call, "response");
  call.end();
  const [response] = (await answered) as [IncomingMessage];
  return response;
}

async function bounded(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BYTES) throw new RangeError(`the answer is longer than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Whoever answers something else (a proxy, say) does so with a status that tells.
    return undefined;
  }
}
