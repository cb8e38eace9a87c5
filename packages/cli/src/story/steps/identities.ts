// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import type { LocalMesh } from "../../local/mesh.ts";
import { CUSTOMER, curl, secretPath } from "../people.ts";
import { expectThat, type Chapter } from "../step.ts";

const SOURCE = "spiffe://cluster.local/ns/bookshop/sa/customer";
const DESTINATION = "spiffe://cluster.local/ns/bookshop/sa/storefront";

export const identities: Chapter = {
  name: "both ztunnels log both SPIFFE identities and count bytes",
  async tell({ mesh }) {
    const answer = await curl(mesh, CUSTOMER, `http://storefront${secretPath()}`);
    expectThat(answer.code === 0, `the customer's request failed: ${answer.stderr}`);
    const [storefront] = await mesh.pods("bookshop", { app: "storefront" });
    const [customer] = await mesh.pods("bookshop", { app: "customer" });
    expectThat(storefront !== undefined && customer !== undefined, "storefront or customer is gone");
    const outbound = await logLine(mesh, customer.node, "outbound");
    const inbound = await logLine(mesh, storefront.node, "inbound");
    const sent = await bytesCounted(mesh, customer.node, "source");
    const received = await bytesCounted(mesh, storefront.node, "destination");
    return (
      `${customer.node}: ${outbound} and istio_tcp_sent_bytes_total=${sent} (reporter source); ` +
      `${storefront.node}: ${inbound} and istio_tcp_sent_bytes_total=${received} (reporter destination)`
    );
  },
};

/** The two identities in the last access-log line of a finished connection, as the node's ztunnel wrote it. */
async function logLine(mesh: LocalMesh, node: string, direction: string): Promise<string> {
  return mesh.waitFor(`ztunnel on ${node} to log the ${direction} connection`, 10_000, async () => {
    const line = readFileSync(mesh.logFile("istio-system", `ztunnel-${node}`), "utf8")
      .split("\n")
      .findLast((text) =>
        [
          "connection complete",
          `direction="${direction}"`,
          `src.identity="${SOURCE}"`,
          `dst.identity="${DESTINATION}"`,
        ].every((part) => text.includes(part)),
      );
    return line === undefined ? undefined : [...line.matchAll(/(?:src|dst)\.identity="[^"]+"/g)].map(String).join(" ");
  });
}

/** Bytes from customer to storefront in the metrics of a node's ztunnel. */
async function bytesCounted(mesh: LocalMesh, node: string, reporter: string): Promise<number> {
  return mesh.waitFor(`ztunnel on ${node} to count bytes`, 10_000, async () => {
    const metrics = await mesh.exec({ kind: "node", name: node }, ["curl", "-sS", "http://localhost:15020/metrics"]);
    const labels = [`reporter="${reporter}"`, `source_principal="${SOURCE}"`, `destination_principal="${DESTINATION}"`];
    const sum = metrics.stdout
      .split("\n")
      .filter((line) => line.startsWith("istio_tcp_sent_bytes_total{") && labels.every((label) => line.includes(label)))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(" "))), 0);
    return sum > 0 ? sum : undefined;
  });
}
