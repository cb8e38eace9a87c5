// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import type { LocalMesh } from "../../local/mesh.ts";
import { AUDITOR, CUSTOMER, OpenStream, curl } from "../people.ts";
import { SavedFile } from "../saved-file.ts";
import { expectThat, type Chapter } from "../step.ts";

const POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: catalog-for-customers
  namespace: bookshop
spec:
  selector:
    matchLabels: { app: catalog }
  action: ALLOW
  rules:
    - from:
        - source:
            principals:
              - cluster.local/ns/bookshop/sa/customer
`;

export const policy: Chapter = {
  name: "an AuthorizationPolicy that allows one service account: the other is refused, also on open connections",
  async tell({ mesh }) {
    using allowed = new OpenStream(mesh, CUSTOMER, "http://catalog/stream");
    using refused = new OpenStream(mesh, AUDITOR, "http://catalog/stream");
    await allowed.flows(mesh, "the customer's open stream");
    await refused.flows(mesh, "the auditor's open stream");

    using file = new SavedFile(mesh, "catalog-for-customers.yaml");
    file.save(POLICY);
    await mesh.waitFor("the auditor's open stream to be cut", 20_000, async () => (refused.isOpen ? undefined : true));
    const late = await mesh.waitFor("the auditor's new requests to be refused", 10_000, async () => {
      const answer = await curl(mesh, AUDITOR, "http://catalog/browse");
      return answer.code === 0 ? undefined : answer;
    });
    await allowed.flows(mesh, "the customer's open stream");
    const fine = await curl(mesh, CUSTOMER, "http://catalog/browse");
    expectThat(fine.code === 0, `the customer was refused too: ${fine.stderr}`);
    const reason = await refusal(mesh);
    return (
      `the auditor's stream, open for ${refused.lines} lines, was cut and a new request got curl exit ${late.code} (${late.stderr.trim()}); ` +
      `the customer's stream goes on (${allowed.lines} lines) and a new request is answered; ztunnel's log: ${reason}`
    );
  },
};

/** What the server side's ztunnel said about it. */
async function refusal(mesh: LocalMesh): Promise<string> {
  const text = "connection closed due to policy rejection: allow policies exist, but none allowed";
  return mesh.waitFor("a ztunnel to log the refusal", 10_000, async () => {
    for (const node of mesh.nodes) {
      const log = readFileSync(mesh.logFile("istio-system", `ztunnel-${node}`), "utf8");
      if (log.includes(text)) return `"${text}" on ${node}`;
    }
    return undefined;
  });
}
