// SPDX-License-Identifier: Apache-2.0
import { join, relative } from "node:path";
import type { PortForward } from "../local/forward/port-forward.ts";
import type { RunningMesh } from "../local/running-mesh.ts";

export interface HelpTextOptions {
  readonly mesh: RunningMesh;
  /** Name of the mesh. */
  readonly name: string;
  readonly folder: string;
  readonly forwards: readonly PortForward[];
}

const PATHS: Readonly<Record<string, string>> = {
  "bookshop/storefront:80": "/browse",
  "istiod's debug pages": "/debug",
};
const DEFAULT_NAME = "local";

/** What to try while a mesh is up. */
export function helpText({ mesh, name, folder, forwards }: HelpTextOptions): string {
  const shown = relative(process.cwd(), folder) || ".";
  const flag = name === DEFAULT_NAME ? "" : ` --name ${name}`;
  const lines = forwards.map((forward) => {
    const url = `http://127.0.0.1:${forward.port}${PATHS[forward.name] ?? "/"}`;
    return `  ${url.padEnd(40)} ${forward.name}`;
  });
  return `
The mesh is up. Edit a file in ${shown}: it takes effect when it is saved. For example set
  labels: { istio.io/dataplane-mode: ambient }
on a namespace in ${join(shown, "00-namespaces.yaml")}, and its traffic is encrypted.

${lines.join("\n")}

  npx ambientctl local status${flag}
  npx ambientctl local exec${flag} customer -- curl -s http://storefront/browse
  npx ambientctl local exec${flag} fabric -- tcpdump -ni br0 -A tcp and net 10.244.0.0/16
  npx ambientctl local logs${flag} -f ztunnel-node1
  export KUBECONFIG=${mesh.kubeconfig}; kubectl get pods -A

Ctrl-C ends the mesh and removes everything that belongs to it.`;
}
