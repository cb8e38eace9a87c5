// SPDX-License-Identifier: Apache-2.0
import { request } from "node:http";
import { once } from "node:events";
import { messageOf, type Logger } from "@ambientmesh/core";

/** What the node proxy says of its echo through one pod: HBONE to the pod's own address, over its own redirection. */
export interface EchoResult {
  readonly isAnswered: boolean;
  /** How long ago it was tried, in ms. */
  readonly ageMs: number;
  /** Why it was not answered. */
  readonly reason: string;
}

/** Gives the latest echoes of all pods, by uid. */
export interface EchoResults {
  /** Undefined if the node proxy reports none: Istio's does not, and one that is gone can't. */
  latest(signal: AbortSignal): Promise<ReadonlyMap<string, EchoResult> | undefined>;
}

const PATH = "/v1/echoes";
const TIMEOUT_MS = 2000;
const MAX_BYTES = 1024 * 1024;
const MAX_REASON = 512;

/**
 * Asks the node proxy on a local socket: `GET /v1/echoes` answers `{"echoes":{"<pod uid>":{"ok":true,"ageMs":1200}}}`,
 * and for those that failed `"ok":false` with a `"reason"`.
 */
export function createEchoResults(deps: { readonly logger: Logger }, options: { readonly path: string }): EchoResults {
  return {
    async latest(signal) {
      try {
        const text = await get(options.path, AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
        return text === undefined ? undefined : parseEchoes(text);
      } catch (error) {
        deps.logger.debug("the node proxy reports no echoes", { socket: options.path, error: messageOf(error) });
        return undefined;
      }
    },
  };
}

/** Entries that make no sense are left out. @throws SyntaxError */
export function parseEchoes(text: string): ReadonlyMap<string, EchoResult> {
  const { echoes } = (JSON.parse(text) ?? {}) as { readonly echoes?: unknown };
  if (typeof echoes !== "object" || echoes === null) return new Map();
  return new Map(
    Object.entries(echoes as Readonly<Record<string, Readonly<Record<string, unknown>> | null>>).flatMap(
      ([uid, entry]) => {
        const { ok, ageMs, reason } = entry ?? {};
        if (typeof ok !== "boolean" || typeof ageMs !== "number" || !(ageMs >= 0)) return [];
        const why = typeof reason === "string" ? reason.slice(0, MAX_REASON) : "it gave no reason";
        return [[uid, { isAnswered: ok, ageMs, reason: why }] as const];
      },
    ),
  );
}

async function get(socketPath: string, signal: AbortSignal): Promise<string | undefined> {
  const asked = request({ socketPath, path: PATH, signal, headers: { host: "localhost", connection: "close" } });
  const answered = once(asked, "response", { signal });
  asked.end();
  const [response] = (await answered) as [AsyncIterable<Buffer> & { statusCode?: number; destroy(): void }];
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    length += chunk.length;
    if (length > MAX_BYTES) {
      response.destroy();
      return undefined;
    }
    chunks.push(chunk);
  }
  return response.statusCode === 200 ? Buffer.concat(chunks).toString("utf8") : undefined;
}
