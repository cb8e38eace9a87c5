// SPDX-License-Identifier: Apache-2.0
import { createServer } from "node:net";
import { HboneServer, type Headers } from "@ambientmesh/hbone";
import { listenTcp } from "@ambientmesh/linux";
import { acceptTls } from "@ambientmesh/spiffe";
import { idOf, type Mesh } from "./mesh.ts";

/** A waypoint that greets and then echoes, and keeps what it was asked for. */
export interface Waypoint extends AsyncDisposable {
  readonly requests: { readonly authority: string; readonly headers: Headers; readonly peer: string }[];
}

/** Starts one in a pod, with the certificate of the pod's service account. */
export async function startWaypoint(mesh: Mesh, podName: string): Promise<Waypoint> {
  const svid = await mesh.control.authority.svid(idOf(podName));
  const requests: Waypoint["requests"] = [];
  const hbone = new HboneServer<undefined>({
    secure: (raw, _context, limits) => acceptTls(raw, svid, limits),
    onConnect: (request) => {
      requests.push({ authority: request.authority, headers: request.headers, peer: request.info.peer.id });
      const tunnel = request.accept({ baggage: "service.name=waypoint" });
      // A bad one: says yes and breaks the tunnel in one breath.
      if (request.authority.endsWith(":666")) {
        tunnel?.destroy();
        return;
      }
      tunnel?.write("waypoint\n");
      tunnel?.on("error", () => tunnel.destroy());
      tunnel?.pipe(tunnel);
    },
  });
  const server = createServer((socket) => hbone.handle(socket, undefined));
  await listenTcp(server, { netns: mesh.pod(podName).netns, address: "::", port: 15_008 });
  return {
    requests,
    async [Symbol.asyncDispose]() {
      server.close();
      await hbone[Symbol.asyncDispose]();
    },
  };
}
