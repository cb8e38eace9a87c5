// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createLocalKube, type LocalKube, type LocalKubeOptions } from "../../src/local/index.ts";

const read = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url)), "utf8");

/** A self-signed certificate for 127.0.0.1, and its key. */
export const testTls: { readonly cert: string; readonly key: string } = {
  cert: read("server.crt"),
  key: read("server.key"),
};

/** A client certificate that {@link testTls} has signed: CN=alice, O=team-a, O=team-b. */
export const testClientTls: { readonly cert: string; readonly key: string } = {
  cert: read("client.crt"),
  key: read("client.key"),
};

/** A local server on a real port with TLS. */
export async function listenLocal(
  options: LocalKubeOptions = {},
): Promise<{ server: LocalKube; url: string } & AsyncDisposable> {
  const server = createLocalKube({}, options);
  await server.start();
  const { port } = await server.listen({ host: "127.0.0.1", port: 0, tls: testTls });
  return { server, url: `https://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
