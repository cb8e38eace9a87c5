// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { CertificateAuthority, createRoot } from "@ambientmesh/ca";
import { HbonePool, HboneServer, IoBuffers, joinTunnel } from "@ambientmesh/hbone";
import { SecretManager, acceptTls, connectTls, parseSpiffeId } from "@ambientmesh/spiffe";

const authority = new CertificateAuthority(await createRoot("cluster.local"));
await using certificates = new SecretManager({
  issue: async (csrPem, id) => (await authority.sign({ csrPem, id })).chain,
});
const web = parseSpiffeId("spiffe://cluster.local/ns/default/sa/web");
const api = parseSpiffeId("spiffe://cluster.local/ns/default/sa/api");
const buffers = new IoBuffers();

// The api's node: takes tunnels and joins each with a connection to the app.
const app = createServer((socket) => void socket.end("hello"));
await using server = new HboneServer<undefined>({
  buffers,
  secure: async (raw, _context, limits) => acceptTls(raw, await certificates.get(api), limits),
  onConnect: async (request) => {
    const socket = connect((app.address() as AddressInfo).port);
    await once(socket, "connect");
    const tunnel = request.accept();
    if (tunnel) joinTunnel(socket.pause(), tunnel, buffers);
  },
});
const listener = createServer((raw: Socket) => server.handle(raw, undefined));

// The web's node: opens tunnels, as many as it needs over one connection.
await using pool = new HbonePool({
  buffers,
  dial: async ({ address }) => connect(Number(address.split(":")[1])),
  secure: async (raw, { expected }, limits) =>
    connectTls(raw, await certificates.get(web), { expectedIds: expected, ...limits }),
});

for (const each of [app, listener]) await once(each.listen(0), "listening");
const { port } = listener.address() as AddressInfo;
const target = { source: web, expected: [api], address: `127.0.0.1:${port}` };
const outcome = await pool.connect(target, { authority: "10.1.2.3:80" });
if (outcome.kind === "refused") throw new Error(`refused with ${outcome.status}`);
outcome.tunnel.end();
export const answer = await outcome.tunnel.setEncoding("utf8").toArray(); // ["hello"]
for (const each of [app, listener]) each.close();
