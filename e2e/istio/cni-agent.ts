// SPDX-License-Identifier: Apache-2.0
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { createWriteStream } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenTcp } from "@ambientmesh/linux";
import type { TestNetwork } from "@ambientmesh/testkit";
import { vi } from "vitest";
import { SYSTEM } from "./cluster.ts";

/**
 * A root folder as the agent's container has it: the machine's, but with its own /run and /opt, and of the node only what
 * the agent may touch under /host. It lives in namespaces that end with the agent: of mounts, and of processes, for the agent
 * must be allowed to look at the namespaces of process 1, and at something called kubelet.
 */
const CONTAINER = `
set -e
root=$1; secrets=$2; shift 2
mount -t tmpfs root "$root"
for path in /*; do
  name=\${path#/}
  case $name in run|opt|host|proc) continue ;; esac
  if [ -L "$path" ]; then cp -P "$path" "$root/$name"
  elif [ -d "$path" ]; then mkdir "$root/$name"; mount --rbind "$path" "$root/$name"
  fi
done
account="$root/run/secrets/kubernetes.io/serviceaccount"
mkdir -p "$account" "$root/opt/cni/bin" "$root/host/opt/cni/bin" "$root/host/etc/cni/net.d" "$root/host/netns"
mkdir -p "$root/proc" "$root/host/proc"
cp "$secrets/token" "$secrets/ca.crt" "$account"
cp "$secrets/10-test.conflist" "$root/host/etc/cni/net.d"
for pod in $PODS; do
  : > "$root/host/netns/\${pod%%=*}"
  mount --bind "\${pod#*=}" "$root/host/netns/\${pod%%=*}"
done
mount -t proc proc "$root/proc"
mount --bind "$root/proc" "$root/host/proc"
cp /bin/sleep "$root/run/kubelet"
"$root/run/kubelet" infinity > /dev/null 2>&1 &
exec chroot "$root" "$@"
`;

const UNSHARE = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"] as const;

/** Those of Istio's chart. */
const SELECTORS = `
- podSelector: { matchLabels: { istio.io/dataplane-mode: ambient } }
- podSelector: { matchExpressions: [{ key: istio.io/dataplane-mode, operator: NotIn, values: [none] }] }
  namespaceSelector: { matchLabels: { istio.io/dataplane-mode: ambient } }
`;

export interface IstioAgentSpec {
  readonly program: string;
  readonly network: TestNetwork;
  readonly node: string;
  readonly kubeconfig: string;
  /** How it redirects. */
  readonly rules: "iptables" | "nftables";
}

/** Where the agent finds the namespace of a pod, as the runtime would name it. */
export const netnsPathOf = (pod: string): string => `/netns/${pod}`;

/** Istio's CNI agent on a node. */
export interface IstioAgent extends AsyncDisposable {
  /** Where the plugin finds its socket. */
  readonly runDirectory: string;
  /** Where a ztunnel is told of pods. */
  readonly zdsPath: string;
  log(): Promise<string>;
}

interface Kubeconfig {
  readonly clusters: readonly [
    { readonly cluster: { readonly server: string; readonly "certificate-authority-data": string } },
  ];
  readonly users: readonly [{ readonly user: { readonly token: string } }];
}

/** Starts it and waits until it is ready. */
export async function startIstioAgent(spec: IstioAgentSpec): Promise<IstioAgent> {
  const { program, network, node, kubeconfig, rules } = spec;
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "istio-cni-"));
  stack.defer(() => rm(folder, { recursive: true, maxRetries: 5 }));
  const { clusters, users } = JSON.parse(await readFile(kubeconfig, "utf8")) as Kubeconfig;
  const { server, "certificate-authority-data": ca } = clusters[0].cluster;
  const { hostname, port } = new URL(server);
  const [root, secrets, runDirectory] = ["root", "secrets", "run"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await Promise.all([root, secrets, runDirectory].map((path) => mkdir(path)));
  await writeFile(join(secrets, "token"), users[0].user.token);
  await writeFile(join(secrets, "ca.crt"), Buffer.from(ca, "base64"));
  const plugins = [{ type: "loopback" }];
  await writeFile(join(secrets, "10-test.conflist"), JSON.stringify({ cniVersion: "1.0.0", name: "test", plugins }));
  stack.use(await forward(network, node, Number(port)));

  const zdsPath = join(folder, "ztunnel.sock");
  const log = join(folder, "log");
  const child = network.start(node, [...UNSHARE, "sh", "-c", CONTAINER, "sh", root, secrets, program], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`,
      PODS: network
        .node(node)
        .pods.map(({ name, netns }) => `${name}=${netns.path}`)
        .join(" "),
      KUBERNETES_SERVICE_HOST: hostname,
      KUBERNETES_SERVICE_PORT: port,
      KUBERNETES_NODE_NAME: node,
      NODE_NAME: node,
      POD_NAME: "istio-cni-node-1",
      POD_NAMESPACE: SYSTEM,
      AMBIENT_ENABLED: "true",
      AMBIENT_ENABLEMENT_SELECTOR: SELECTORS,
      AMBIENT_IPV6: "true",
      AMBIENT_DNS_CAPTURE: "false",
      NATIVE_NFTABLES: String(rules === "nftables"),
      REPAIR_ENABLED: "false",
      CNI_AGENT_RUN_DIR: runDirectory,
      ZTUNNEL_UDS_ADDRESS: zdsPath,
    },
  });
  const file = createWriteStream(log);
  child.stdout?.pipe(file, { end: false });
  child.stderr?.pipe(file, { end: false });
  const exit = once(child, "exit");
  stack.defer(async () => {
    child.kill("SIGKILL");
    await exit;
    file.close();
  });
  const isReady = async (): Promise<boolean> => {
    if (child.exitCode !== null) throw new Error(`the agent ended: ${await readFile(log, "utf8")}`);
    const { exitCode } = await network.exec(node, ["curl", "-sf", "http://127.0.0.1:8000/readyz"]);
    return exitCode === 0;
  };
  await vi.waitUntil(isReady, { timeout: 60_000, interval: 200 });
  const owned = stack.move();
  return {
    runDirectory,
    zdsPath,
    log: () => readFile(log, "utf8"),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The API server is on the loopback of this process; a node reaches it on its own. */
async function forward(network: TestNetwork, node: string, port: number): Promise<AsyncDisposable> {
  const open = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    const upstream = connect(port, "127.0.0.1");
    for (const one of [socket, upstream]) {
      open.add(one);
      one.on("error", () => one.destroy());
      one.on("close", () => {
        open.delete(one);
        socket.destroy();
        upstream.destroy();
      });
    }
    socket.pipe(upstream).pipe(socket);
  });
  await listenTcp(server, { netns: network.node(node).netns, address: "127.0.0.1", port });
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const one of open) one.destroy();
      await closed;
    },
  };
}
