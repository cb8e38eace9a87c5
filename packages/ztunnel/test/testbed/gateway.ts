// SPDX-License-Identifier: Apache-2.0
import { createServer } from "node:net";
import { HboneServer, type Headers } from "@ambientmesh/hbone";
import { listenTcp } from "@ambientmesh/linux";
import { acceptTls } from "@ambientmesh/spiffe";
import { idOf, type Mesh } from "./mesh.ts";

/** The gateway of another network: sees who is called, and not what is said. */
export interface Gateway extends AsyncDisposable {
  readonly requests: { readonly authority: string; readonly headers: Headers; readonly peer: string }[];
  /** Bytes that passed, in both directions. */
  readonly seen: () => Buffer;
}

/** Starts one in a pod; everything goes to the HBONE port of another. */
export async function startGateway(
  mesh: Mesh,
  { podName, port, behind }: { readonly podName: string; readonly port: number; readonly behind: string },
): Promise<Gateway> {
  const svid = await mesh.control.authority.svid(idOf(podName));
  const requests: Gateway["requests"] = [];
  const chunks: Buffer[] = [];
  const hbone = new HboneServer<undefined>({
    secure: (raw, _context, limits) => acceptTls(raw, svid, limits),
    onConnect: async (request) => {
      requests.push({ authority: request.authority, headers: request.headers, peer: request.info.peer.id });
      const next = await mesh.connect(podName, mesh.pod(behind).address, 15_008);
      const tunnel = request.accept();
      if (!tunnel) {
        next.destroy();
        return;
      }
      for (const side of [tunnel, next]) side.on("data", (chunk: Buffer) => chunks.push(chunk));
      tunnel.on("error", () => next.destroy()).pipe(next);
      next.on("close", () => tunnel.destroy()).pipe(tunnel);
    },
  });
  const server = createServer((socket) => hbone.handle(socket, undefined));
  await listenTcp(server, { netns: mesh.pod(podName).netns, address: "::", port });
  return {
    requests,
    seen: () => Buffer.concat(chunks),
    async [Symbol.asyncDispose]() {
      server.close();
      await hbone[Symbol.asyncDispose]();
    },
  };
}
