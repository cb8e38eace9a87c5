// SPDX-License-Identifier: Apache-2.0
import { connectKube, type KubeClient } from "../../src/index.ts";
import { createLocalKube, type LocalKube, type LocalKubeDeps, type LocalKubeOptions } from "../../src/local/index.ts";

/** A running local server and an administrator's client to it, both gone at the end of the scope. */
export interface LocalFixture extends AsyncDisposable {
  readonly server: LocalKube;
  readonly client: KubeClient;
}

/** Starts a local server without sockets. */
export async function startLocal(options: LocalKubeOptions = {}, deps: LocalKubeDeps = {}): Promise<LocalFixture> {
  const server = createLocalKube(deps, options);
  await server.start();
  const client = await clientOf(server);
  return {
    server,
    client,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Another client to a server, by default the administrator's. */
export function clientOf(
  server: LocalKube,
  token: string = server.adminToken,
  userAgent = "test",
): Promise<KubeClient> {
  return connectKube({ kind: "in-process", connect: () => server.connect(), token }, {}, { userAgent });
}
