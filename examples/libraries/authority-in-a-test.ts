// SPDX-License-Identifier: Apache-2.0
// A certificate authority inside a test: certificates for both ends, made when they are needed, gone with the process.
//
//     node --test authority-in-a-test.ts
//
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { test } from "node:test";
import { CertificateAuthority, createRoot } from "@ambientmesh/ca";
import {
  RevocationSet,
  acceptTls,
  connectTls,
  createCsr,
  parseSpiffeId,
  svidFromIssuedChain,
  type Svid,
} from "@ambientmesh/spiffe";

const authority = new CertificateAuthority(await createRoot("test.local", { keyType: "ecdsa-p256" }));

async function certificateFor(name: string): Promise<Svid> {
  const id = parseSpiffeId(`spiffe://test.local/ns/shop/sa/${name}`);
  const { csrPem, privateKey } = await createCsr({ id });
  const { chain } = await authority.sign({ csrPem, id });
  return svidFromIssuedChain({ id, chain, privateKey });
}

/** Who the server sees when a client calls it with a certificate, or why it refuses. */
async function seenBy(server: Svid, client: Svid, revoked = RevocationSet.EMPTY): Promise<string> {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const raw = connect((listener.address() as AddressInfo).port, "127.0.0.1");
  const [accepted] = (await once(listener, "connection")) as [Socket];
  listener.close();
  // A list that changes is a CrlFile; this one stays as it is.
  const revocation = { current: revoked, subscribe: () => ({ [Symbol.dispose]: () => {} }) };
  const [seen, answer] = await Promise.all([
    acceptTls(accepted, server, { revocation }),
    connectTls(raw, client, { expectedIds: [server.id] }),
  ]);
  for (const end of [seen, answer]) if (end.kind === "established") end.socket.destroy();
  return seen.kind === "established" ? seen.peer.id : seen.reason;
}

void test("the server knows who calls", async () => {
  strictEqual(
    await seenBy(await certificateFor("cart"), await certificateFor("web")),
    "spiffe://test.local/ns/shop/sa/web",
  );
});

void test("a revoked certificate is refused", async () => {
  const web = await certificateFor("web");
  authority.revoke(web.certificateChain[0]);
  const revocations = RevocationSet.parse(await authority.crl(), "the list of this test");
  strictEqual(await seenBy(await certificateFor("cart"), web, revocations), "revoked");
});

void test("certificates last a day unless asked otherwise", async () => {
  const [leaf] = (await certificateFor("web")).certificateChain;
  const hours = ((leaf?.notAfterMs ?? 0) - Date.now()) / 3_600_000;
  deepStrictEqual(Math.round(hours), 24);
});
