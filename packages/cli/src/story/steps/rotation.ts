// SPDX-License-Identifier: Apache-2.0
import { configDump } from "../config-dump.ts";
import { CUSTOMER, OpenStream, curl } from "../people.ts";
import { expectThat, type Chapter } from "../step.ts";
import type { LocalMesh } from "../../local/mesh.ts";

const IDENTITY = "spiffe://cluster.local/ns/bookshop/sa/customer";

export const rotation: Chapter = {
  name: "certificates rotate while a connection stays open, and new connections succeed",
  async tell({ mesh, certificateTtlSeconds }) {
    const [customer] = await mesh.pods("bookshop", { app: "customer" });
    expectThat(customer !== undefined, "the customer is gone");
    using stream = new OpenStream(mesh, CUSTOMER, "http://catalog/stream");
    await stream.flows(mesh, "the open stream");
    const before = await serial(mesh, customer.node);
    expectThat(before !== undefined, `no certificate of ${IDENTITY} on ${customer.node}`);
    const after = await mesh.waitFor("another certificate", certificateTtlSeconds * 1000 + 10_000, async () => {
      const now = await serial(mesh, customer.node);
      return now === before ? undefined : now;
    });
    await stream.flows(mesh, "the stream that was open before");
    const fresh = await curl(mesh, CUSTOMER, "http://catalog/browse");
    expectThat(fresh.code === 0, `a new request failed after the rotation: ${fresh.stderr}`);
    return (
      `lifetime ${certificateTtlSeconds} s; ${IDENTITY} went from serial ${before.slice(0, 12)}… to ${after.slice(0, 12)}…; ` +
      `a stream opened before goes on (${stream.lines} lines, curl pid ${stream.pid}) and a new request is answered`
    );
  },
};

async function serial(mesh: LocalMesh, node: string): Promise<string | undefined> {
  const dump = await configDump(mesh, node);
  return dump?.certificates.find(({ identity }) => identity === IDENTITY)?.certChain[0]?.serialNumber;
}
