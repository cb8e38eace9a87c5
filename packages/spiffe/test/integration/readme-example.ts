// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { CertificateAuthority, createRoot } from "@ambientmesh/ca";
import { SecretManager, acceptTls, connectTls, parseSpiffeId } from "@ambientmesh/spiffe";

const authority = new CertificateAuthority(await createRoot("cluster.local"));
await using certificates = new SecretManager({
  issue: async (csrPem, id) => (await authority.sign({ csrPem, id })).chain,
});
const web = parseSpiffeId("spiffe://cluster.local/ns/default/sa/web");
const api = parseSpiffeId("spiffe://cluster.local/ns/default/sa/api");

const greet = async (raw: Socket): Promise<void> => {
  const client = await acceptTls(raw, await certificates.get(api));
  if (client.kind === "established") client.socket.end(`hello ${client.peer.id}`);
};
const server = createServer((raw) => void greet(raw)).listen(0, "127.0.0.1");
await once(server, "listening");

const raw = connect((server.address() as AddressInfo).port, "127.0.0.1");
const answer = await connectTls(raw, await certificates.get(web), { expectedIds: [api] });
if (answer.kind === "refused") throw new Error(`${answer.reason}: ${answer.message}`);
export const greeting = await answer.socket.setEncoding("utf8").toArray(); // ["hello spiffe://cluster.local/ns/default/sa/web"]
server.close();
