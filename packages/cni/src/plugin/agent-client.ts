// SPDX-License-Identifier: Apache-2.0
import { request } from "node:http";

/** What the agent said. */
export type AgentAnswer =
  | { readonly kind: "answered"; readonly status: number; readonly text: string }
  | { readonly kind: "unreachable"; readonly reason: string };

/** The agent waits up to 3 s for a node proxy and 5 s for its answer. */
const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 16 * 1024;

/** Posts JSON to the agent's socket. Never rejects. */
export async function postToAgent(socketPath: string, path: string, body: object): Promise<AgentAnswer> {
  const { promise, resolve } = Promise.withResolvers<AgentAnswer>();
  const unreachable = (error: Error): void => resolve({ kind: "unreachable", reason: error.message });
  const call = request(
    {
      socketPath,
      path,
      method: "POST",
      headers: { "content-type": "application/json", host: "istio-cni" },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    },
    (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        if (text.length < MAX_ANSWER_BYTES) text += chunk;
      });
      response.once("error", unreachable);
      response.once("end", () => resolve({ kind: "answered", status: response.statusCode ?? 0, text: text.trim() }));
    },
  );
  call.once("error", unreachable);
  call.end(JSON.stringify(body));
  return promise;
}
