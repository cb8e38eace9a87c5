// SPDX-License-Identifier: Apache-2.0
import { configDump } from "../config-dump.ts";
import { SavedFile } from "../saved-file.ts";
import { expectThat, type Chapter } from "../step.ts";

const POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: shown-in-the-dump
  namespace: bookshop
spec:
  action: DENY
  rules:
    - to: [{ operation: { ports: ["1"] } }]
`;

export const dump: Chapter = {
  name: "curl localhost:15000/config_dump on a node shows workloads, services, policies and certificates",
  async tell({ mesh }) {
    const node = mesh.nodes[0] as string;
    using file = new SavedFile(mesh, "shown-in-the-dump.yaml");
    file.save(POLICY);
    const seen = await mesh.waitFor("the new policy to be in the dump", 20_000, async () => {
      const found = await configDump(mesh, node);
      return found?.policies.some(({ name }) => name === "shown-in-the-dump") ? found : undefined;
    });
    const tunnelled = seen.workloads.filter(({ protocol }) => protocol === "HBONE").length;
    const available = seen.certificates.filter(({ state }) => state === "Available");
    expectThat(tunnelled > 0, "no workload has protocol HBONE");
    expectThat(
      seen.services.some(({ hostname }) => hostname === "catalog.bookshop.svc.cluster.local"),
      "the service catalog is missing",
    );
    expectThat(available.length > 0, "no certificate is available");
    return (
      `${node}: ${seen.workloads.length} workloads (${tunnelled} HBONE), ${seen.services.length} services, ` +
      `${seen.policies.length} policies, certificates for ${available.map(({ identity }) => identity).join(", ")}`
    );
  },
};
