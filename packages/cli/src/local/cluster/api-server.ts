// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { ISTIO_DEFINITIONS } from "@ambientmesh/api/istio";
import { CertificateAuthority, createRoot } from "@ambientmesh/ca";
import type { Clock, Logger } from "@ambientmesh/core";
import { connectKube, type KubeClient } from "@ambientmesh/kube";
import { createLocalKube, type LocalKube } from "@ambientmesh/kube/local";
import { openTcpListener, type Netns } from "@ambientmesh/linux";
import { LOOPBACK, type HostSocket } from "../host-sockets.ts";
import type { Place } from "../run-directory/place.ts";
import { API_PORT, API_SERVICE_ADDRESS, CLUSTER_DOMAIN, CONTROL_PLANE } from "../topology.ts";
import { kubeconfigText } from "./kubeconfig.ts";

const ACCEPT_QUEUE = 128;

export interface ApiServerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly place: Place;
  /** The control plane's namespace. */
  readonly netns: Netns;
  /** On the machine's loopback. */
  readonly socket: HostSocket;
}

/** The Kubernetes API of a mesh, for the machine and for the mesh's own nodes. */
export interface ApiServer extends AsyncDisposable {
  readonly server: LocalKube;
  /** As administrator, without sockets. */
  readonly client: KubeClient;
  /** Certificate of the authority behind the server's certificate, PEM. */
  readonly authorityPem: string;
  /** Port on the machine's loopback. */
  readonly port: number;
}

/** Starts the API server on the machine's loopback and in the control plane's namespace, and writes the kubeconfig. */
export async function startApiServer(deps: ApiServerDeps): Promise<ApiServer> {
  const { clock, logger, place, netns, socket } = deps;
  await using stack = new AsyncDisposableStack();
  const server = stack.use(
    createLocalKube({ clock, logger: logger.child("kube") }, { definitions: ISTIO_DEFINITIONS }),
  );
  await server.start();
  const authority = new CertificateAuthority(await createRoot("ambientctl", { keyType: "ecdsa-p256" }));
  const serving = await authority.issueServing({ names: servingNames() });
  const tls = { cert: serving.certificateChainPem, key: serving.privateKeyPem };
  const fd = openTcpListener({ netns, address: CONTROL_PLANE.address, port: API_PORT, backlog: ACCEPT_QUEUE });
  await server.listen({ fd, tls });
  await server.listen({ fd: socket.fd, tls });
  // In a namespace of our own the machine's loopback is another one than ours.
  if (place.seclusion === "private") await server.listen({ host: LOOPBACK, port: socket.port, tls });
  const text = kubeconfigText({
    server: `https://${LOOPBACK}:${socket.port}`,
    authority: { pem: authority.rootsPem },
    user: { name: "kubernetes-admin", token: server.adminToken },
    name: `ambient-${place.mesh}`,
  });
  writeFileSync(place.kubeconfig, text, { mode: 0o600 });
  const client = stack.use(
    await connectKube(
      { kind: "in-process", connect: () => server.connect(), token: server.adminToken },
      { clock },
      { userAgent: "ambientctl" },
    ),
  );
  const owned = stack.move();
  return {
    server,
    client,
    authorityPem: authority.rootsPem,
    port: socket.port,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function servingNames(): readonly string[] {
  const service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
  return [
    ...service,
    `kubernetes.default.svc.${CLUSTER_DOMAIN}`,
    "localhost",
    LOOPBACK,
    CONTROL_PLANE.address,
    API_SERVICE_ADDRESS,
  ];
}
