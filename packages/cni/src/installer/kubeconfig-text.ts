// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import type { KubeTarget } from "@ambientmesh/kube";

const SERVICE_ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/** A kubeconfig for the plugin, with the rights of the agent itself; as JSON, which is YAML. */
export async function kubeconfigFor(target: KubeTarget): Promise<string> {
  switch (target.kind) {
    case "kubeconfig":
      return readFile(target.path, "utf8");
    case "in-cluster": {
      const { host, port, directory = SERVICE_ACCOUNT_DIRECTORY } = target;
      const [token, ca] = await Promise.all([
        readFile(join(directory, "token"), "utf8"),
        readFile(join(directory, "ca.crt"), "utf8"),
      ]);
      const server = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
      return render(server, token.trim(), ca);
    }
    default:
      throw new TypeError(`a plugin can't reach an API server that is given as "${target.kind}"`);
  }
}

function render(server: string, token: string, ca: string): string {
  const name = "istio-cni";
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server, "certificate-authority-data": Buffer.from(ca).toString("base64") } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}
