// SPDX-License-Identifier: Apache-2.0
import type { ExecResult, LocalMesh, MeshTarget } from "../../local/mesh.ts";
import { CUSTOMER, VISITOR, curl } from "../people.ts";
import { SavedFile } from "../saved-file.ts";
import { expectThat, type Chapter } from "../step.ts";

const URL = "http://catalog.bookshop/browse";

const peerAuthentication = (mode: string): string => `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: bookshop
  namespace: bookshop
spec:
  mtls: { mode: ${mode} }
`;

export const strict: Chapter = {
  name: "PeerAuthentication STRICT refuses a client outside of the mesh, PERMISSIVE lets it through",
  async tell({ mesh }) {
    // The policy of the chapter before may hold for a moment longer.
    await until(mesh, VISITOR, "the visitor to be let through before any policy", ({ code }) => code === 0);
    using file = new SavedFile(mesh, "bookshop-mtls.yaml");
    file.save(peerAuthentication("STRICT"));
    const refused = await until(mesh, VISITOR, "the visitor to be refused", ({ code }) => code !== 0);
    const inside = await curl(mesh, CUSTOMER, URL);
    expectThat(inside.code === 0, `the customer, who is in the mesh, was refused: ${inside.stderr}`);
    file.save(peerAuthentication("PERMISSIVE"));
    await until(mesh, VISITOR, "the visitor to be let through again", ({ code }) => code === 0);
    return `STRICT: the visitor got curl exit ${refused.code} (${refused.stderr.trim()}), the customer an answer; PERMISSIVE: the visitor got an answer`;
  },
};

function until(
  mesh: LocalMesh,
  who: MeshTarget,
  what: string,
  isSo: (result: ExecResult) => boolean,
): Promise<ExecResult> {
  return mesh.waitFor(what, 20_000, async () => {
    const result = await curl(mesh, who, URL);
    return isSo(result) ? result : undefined;
  });
}
