// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import type { LocalMesh } from "../../local/mesh.ts";
import { AUDITOR, CUSTOMER, OpenStream, curl } from "../people.ts";
import { SavedFile } from "../saved-file.ts";
import { expectThat, type Chapter } from "../step.ts";

const ISTIOD = { apiVersion: "apps/v1", kind: "Deployment", namespace: "istio-system", name: "istiod" } as const;

const POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: no-auditors
  namespace: bookshop
spec:
  action: DENY
  rules:
    - from:
        - source:
            principals: [cluster.local/ns/bookshop/sa/auditor]
`;

export const istiodKilled: Chapter = {
  name: "istiod is killed: open and new connections go on; when it is back, a new policy arrives",
  async tell({ mesh }) {
    using stream = new OpenStream(mesh, CUSTOMER, "http://catalog/stream");
    await stream.flows(mesh, "the open stream");
    const pid = await kill(mesh);
    await stream.flows(mesh, "the stream that was open before istiod was killed");
    const fresh = await curl(mesh, CUSTOMER, "http://catalog/browse");
    expectThat(fresh.code === 0, `a new request failed without istiod: ${fresh.stderr}`);
    expectThat(
      (await mesh.pods("istio-system", { app: "istiod" })).every(({ pids }) => pids.length === 0),
      "istiod is still there",
    );

    await mesh.patch(ISTIOD, { spec: { replicas: 1 } });
    using file = new SavedFile(mesh, "no-auditors.yaml");
    file.save(POLICY);
    const refused = await mesh.waitFor("the new policy to arrive", 40_000, async () => {
      const answer = await curl(mesh, AUDITOR, "http://catalog/browse");
      return answer.code === 0 ? undefined : answer;
    });
    await stream.flows(mesh, "the stream that was open all the time");
    const [back] = await mesh.pods("istio-system", { app: "istiod" });
    return (
      `istiod (pid ${pid}) was killed with SIGKILL; a stream opened before went on (${stream.lines} lines) and a new request was answered without it; ` +
      `back as pid ${back?.pids[0]}, the new policy refused the auditor (curl exit ${refused.code}); ${await kubectl(mesh)}`
    );
  },
};

/** Ends istiod without notice and keeps it from being started again. */
async function kill(mesh: LocalMesh): Promise<number> {
  const [istiod] = await mesh.pods("istio-system", { app: "istiod" });
  const pid = istiod?.pids[0];
  expectThat(pid !== undefined, "istiod is not running");
  await mesh.patch(ISTIOD, { spec: { replicas: 0 } });
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // The replica count may have ended it in the meantime, by the same signal's gentler kin.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
  await mesh.waitFor("istiod's process to be gone", 10_000, async () =>
    existsSync(`/proc/${pid}`) ? undefined : true,
  );
  return pid;
}

/** What shells end with when there is no such program. */
const NOT_FOUND = 127;

/** A word about kubectl, which is used where it is installed. */
async function kubectl(mesh: LocalMesh): Promise<string> {
  const argv = ["kubectl", "--kubeconfig", mesh.kubeconfig, "get", "pods", "-A", "-o", "name"];
  const result = await mesh.exec({ kind: "host" }, argv);
  if (result.code === NOT_FOUND) return "kubectl is not installed";
  expectThat(result.code === 0, `kubectl get pods failed: ${result.stderr}`);
  return `kubectl lists ${result.stdout.trim().split("\n").length} pods`;
}
