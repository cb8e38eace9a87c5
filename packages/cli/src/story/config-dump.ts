// SPDX-License-Identifier: Apache-2.0
import type { LocalMesh } from "../local/mesh.ts";

/** The parts of ztunnel's config dump that the story looks at. */
export interface ConfigDump {
  readonly workloads: readonly { readonly name: string; readonly protocol: string }[];
  readonly services: readonly { readonly hostname: string }[];
  readonly policies: readonly { readonly namespace: string; readonly name: string }[];
  readonly certificates: readonly {
    readonly identity: string;
    readonly state: string;
    readonly certChain: readonly { readonly serialNumber: string; readonly expirationTime: string }[];
  }[];
}

/** What `curl localhost:15000/config_dump` prints on a node; undefined when it fails. */
export async function configDump(mesh: LocalMesh, node: string): Promise<ConfigDump | undefined> {
  const answer = await mesh.exec({ kind: "node", name: node }, [
    "curl",
    "-sS",
    "--fail",
    "localhost:15000/config_dump",
  ]);
  return answer.code === 0 ? (JSON.parse(answer.stdout) as ConfigDump) : undefined;
}
