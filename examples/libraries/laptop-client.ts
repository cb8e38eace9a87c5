// SPDX-License-Identifier: Apache-2.0
// A program outside the mesh, say on a laptop, calls a service that only takes HBONE, with undici.
//
//     node laptop-client.ts
//
// The mesh's side is played below, in this process: an authority, and a node that takes tunnels for the service.
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { Client } from "undici";
import { CertificateAuthority, createRoot } from "@ambientmesh/ca";
import { HbonePool, HboneServer, IoBuffers, joinTunnel } from "@ambientmesh/hbone";
import { SecretManager, acceptTls, connectTls, parseSpiffeId } from "@ambientmesh/spiffe";

const laptop = parseSpiffeId("spiffe://cluster.local/ns/people/sa/ada");
const catalog = parseSpiffeId("spiffe://cluster.local/ns/shop/sa/catalog");

// The mesh.
const authority = new CertificateAuthority(await createRoot("cluster.local"));
await using certificates = new SecretManager({
  issue: async (csrPem, id) => (await authority.sign({ csrPem, id })).chain,
});
const buffers = new IoBuffers();
const service = createHttpServer((request, response) => response.end(`${request.url} of the catalogue\n`));
await using node = new HboneServer<undefined>({
  buffers,
  secure: async (raw, _context, limits) => acceptTls(raw, await certificates.get(catalog), limits),
  onConnect: async (request) => {
    if (request.info.peer.id !== laptop) {
      request.refuse(403);
      return;
    }
    const socket = connect((service.address() as AddressInfo).port, "127.0.0.1");
    await once(socket, "connect");
    const tunnel = request.accept();
    if (tunnel) joinTunnel(socket.pause(), tunnel, buffers);
  },
});
const gateway = createServer((raw) => node.handle(raw, undefined));
for (const each of [service, gateway]) await once(each.listen(0, "127.0.0.1"), "listening");

// The laptop: one pool for all services, one undici client per service.
await using pool = new HbonePool({
  buffers,
  dial: async ({ address }) => {
    const { hostname, port } = new URL(`tcp://${address}`);
    return connect(Number(port), hostname);
  },
  secure: async (raw, { expected }, limits) =>
    connectTls(raw, await certificates.get(laptop), { expectedIds: expected, ...limits }),
});
const target = { source: laptop, expected: [catalog], address: `127.0.0.1:${(gateway.address() as AddressInfo).port}` };

async function openTunnel(name: string): Promise<Socket> {
  const outcome = await pool.connect(target, { authority: name });
  if (outcome.kind === "refused") throw new Error(`the mesh refused ${name} with ${outcome.status}`);
  // A tunnel has all that undici uses of a socket.
  return outcome.tunnel as unknown as Socket;
}

const client = new Client("http://catalog.shop", {
  connect: ({ hostname }, settle) => {
    openTunnel(`${hostname}:80`).then(
      (socket) => settle(null, socket),
      (error: Error) => settle(error, null),
    );
  },
});
const { statusCode, body } = await client.request({ method: "GET", path: "/books" });
console.log(statusCode, (await body.text()).trim()); // 200 /books of the catalogue

await client.close();
for (const each of [service, gateway]) each.close();
