// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { RESOURCES, connectKube, type KubeClient, type KubeTarget } from "../../src/index.ts";
import { accessOf } from "../../src/client/access.ts";
import { NodeTransport } from "../../src/client/transport.ts";
import { systemClock } from "@ambientmesh/core";

/** An answer as it came. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

/** A request as it goes. */
interface RawRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
}

/** An API server that the suite is run against. */
export interface ApiUnderTest extends AsyncDisposable {
  readonly client: KubeClient;
  /** What the client has no words for. */
  readonly raw: (request: RawRequest) => Promise<RawAnswer>;
  /** A new namespace, gone at the end. */
  readonly newNamespace: () => Promise<string>;
  /** Makes the server forget the history of changes, where that can be done. */
  readonly forget?: () => void;
  /** True where controllers of a whole cluster run: garbage collection, namespace deletion, default accounts. */
  readonly hasControllers: boolean;
}

/** Connects the suite to an API server. */
export async function apiUnderTest(target: KubeTarget, hasControllers: boolean): Promise<ApiUnderTest> {
  const client = await connectKube(target);
  const access = await accessOf(target, systemClock);
  const namespaces: string[] = [];
  const transportFor = (accept: string): NodeTransport =>
    new NodeTransport(access, systemClock, {
      userAgent: "compliance/1",
      headersTimeoutMs: 10_000,
      maxSockets: 8,
      accept,
    });
  return {
    client,
    hasControllers,
    raw: async ({ method, path, body, contentType, accept = "application/json" }) => {
      using transport = transportFor(accept);
      const response = await transport.send({
        method,
        path,
        contentType,
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString("utf8");
      return {
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: parsed(text),
      };
    },
    newNamespace: async () => {
      const name = `compliance-${randomBytes(4).toString("hex")}`;
      await client.create(RESOURCES.Namespace, { metadata: { name } });
      namespaces.push(name);
      return name;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(namespaces.map((name) => client.delete(RESOURCES.Namespace, { name })));
      client[Symbol.dispose]();
    },
  };
}

/** JSON where it is some; servers say "404 page not found" in plain text. */
function parsed(text: string): unknown {
  return /^[{["]/.test(text) ? JSON.parse(text) : text;
}
