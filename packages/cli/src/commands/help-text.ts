// SPDX-License-Identifier: Apache-2.0
import { relative } from "node:path";
import type { PortForward } from "../local/forward/port-forward.ts";
import type { RunningMesh } from "../local/running-mesh.ts";

export interface HelpTextOptions {
  readonly mesh: RunningMesh;
  /** Name of the mesh. */
  readonly name: string;
  readonly folder: string;
  readonly forwards: readonly PortForward[];
  /** The story has been told, and has put the bookshop into the mesh. */
  readonly isStoryTold: boolean;
}

const PATHS: Readonly<Record<string, string>> = {
  "bookshop/storefront:80": "/browse",
  "istiod's debug pages": "/debug",
};
const DEFAULT_NAME = "local";

/** What to try while a mesh is up. */
export function helpText({ mesh, name, folder, forwards, isStoryTold }: HelpTextOptions): string {
  const shown = relative(process.cwd(), folder) || ".";
  const flag = name === DEFAULT_NAME ? "" : ` --name ${name}`;
  const lines = forwards.map((forward) => {
    const url = `http://127.0.0.1:${forward.port}${PATHS[forward.name] ?? "/"}`;
    return `  ${url.padEnd(40)} ${forward.name}`;
  });
  const next = isStoryTold ? afterStory(shown) : toBegin(shown);
  return `
The mesh is up. What is saved in ${shown} takes effect at once. For example${next}

${lines.join("\n")}

  npx ambientctl local status${flag}
  npx ambientctl local exec${flag} customer -- curl -s http://storefront/browse
  npx ambientctl local exec${flag} fabric -- tcpdump -ni br0 -A tcp and net 10.244.0.0/16
  npx ambientctl local logs${flag} -f ztunnel-node1
  export KUBECONFIG=${mesh.kubeconfig}; kubectl get pods -A

Ctrl-C ends the mesh and removes everything that belongs to it.`;
}

function toBegin(folder: string): string {
  return ` set
  labels: { istio.io/dataplane-mode: ambient }
on a namespace in ${folder}, and its traffic is encrypted.`;
}

function afterStory(folder: string): string {
  return `
  cp examples/policies/only-customers.yaml ${folder}
lets nobody but the customer reach the storefront, until the copy is deleted.`;
}
