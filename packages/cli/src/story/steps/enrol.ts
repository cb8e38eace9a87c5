// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { KEYS, PORTS } from "@ambientmesh/api";
import type { LocalMesh, LocalPod } from "../../local/mesh.ts";
import { CUSTOMER, curl, secretPath } from "../people.ts";
import { expectThat, type Chapter } from "../step.ts";
import { Capture, type Sighting } from "../witness/capture.ts";
import { beginsWithHandshake, serverHelloVersion } from "../witness/tls.ts";

const TLS_1_3 = 0x0304;

export const enrol: Chapter = {
  name: "istio.io/dataplane-mode=ambient on the namespace: only TLS 1.3 to port 15008 on the link, nothing restarted",
  async tell({ mesh }) {
    const before = fingerprint(await mesh.pods("bookshop"));
    const transition = await Capture.start(mesh);
    await mesh.patch(
      { apiVersion: "v1", kind: "Namespace", name: "bookshop" },
      { metadata: { labels: { [KEYS.DATAPLANE_MODE]: "ambient" } } },
    );
    await enrolled(mesh);
    const { path, seen } = await requestUntilTunnelled(mesh);
    const hellos = tlsEvidence(await transition.stop());
    expectThat(seen.occurrences(path) === 0, `"${path}" was still readable on the link`);
    const outside = seen.besidePort(PORTS.HBONE);
    expectThat(outside.length === 0, `bytes went past the tunnel: ${outside.slice(0, 3).join(", ")}`);
    const after = fingerprint(await mesh.pods("bookshop"));
    expectThat(after === before, `processes changed from ${before} to ${after}`);
    return (
      `same request answered; in ${seen.segments.length} segments on the link every byte goes to port 15008, "${path}" is in none of them, ` +
      `${hellos} ServerHello(s) chose TLS 1.3; process ids and start times are the same: ${after}`
    );
  },
};

/** Every pod of the namespace says that it is in the mesh. */
async function enrolled(mesh: LocalMesh): Promise<void> {
  await mesh.waitFor("all pods of bookshop to be enrolled", 30_000, async () => {
    const pods = await mesh.pods("bookshop");
    return pods.every(({ annotations }) => annotations[KEYS.REDIRECTION] === "enabled") ? true : undefined;
  });
}

/** Requests until the client's proxy knows that the server is in the mesh; before, plaintext is right (PERMISSIVE). */
async function requestUntilTunnelled(mesh: LocalMesh): Promise<{ path: string; seen: Sighting }> {
  return mesh.waitFor("requests to go through the tunnel", 20_000, async () => {
    const path = secretPath();
    const capture = await Capture.start(mesh);
    const answer = await curl(mesh, CUSTOMER, `http://storefront${path}`);
    const seen = await capture.stop();
    expectThat(answer.code === 0, `the customer's request failed: curl exit ${answer.code}, ${answer.stderr}`);
    const isTunnelled = seen.occurrences(path) === 0 && seen.segments.length > 0;
    return isTunnelled ? { path, seen } : undefined;
  });
}

function tlsEvidence(seen: Sighting): number {
  const first = seen.firstPayloads(PORTS.HBONE);
  const hellos = first.map(({ payload }) => serverHelloVersion(payload)).filter((version) => version !== undefined);
  expectThat(hellos.length > 0, "no TLS handshake was seen on port 15008");
  expectThat(
    hellos.every((version) => version === TLS_1_3),
    `a ServerHello chose another version: ${hellos.join(", ")}`,
  );
  expectThat(
    first.every(({ payload }) => beginsWithHandshake(payload)),
    "a connection to port 15008 did not begin with TLS",
  );
  return hellos.length;
}

/** Process id and start time (clock ticks since boot) of each container. */
function fingerprint(pods: readonly LocalPod[]): string {
  return pods
    .flatMap(({ name, pids }) => pids.map((pid) => `${name}=${pid}@${startTime(pid)}`))
    .toSorted()
    .join(" ");
}

function startTime(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // Field 22, counted behind the name in parentheses, which may hold blanks.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] as string;
}
