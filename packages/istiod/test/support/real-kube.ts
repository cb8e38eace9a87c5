// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { connectKube, type KubeClient } from "@ambientmesh/kube";
import { vi } from "vitest";

const BIN =
  process.env["KUBE_BIN"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "k8s-testbed", "bin");
const ADMIN_TOKEN = "administrator";

/** Why no real API server can be started here; undefined if one can. */
export const realKubeMissing: string | undefined = ["etcd", "kube-apiserver"].every((name) =>
  existsSync(join(BIN, name)),
)
  ? undefined
  : "no etcd and kube-apiserver in $KUBE_BIN";

/** etcd and kube-apiserver on loopback, and an administrator's client. */
export interface RealKube extends AsyncDisposable {
  readonly client: KubeClient;
  readonly kubeconfig: string;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Starts both in a folder of their own, which goes with them. */
export async function startRealKube(): Promise<RealKube> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "real-kube-"));
  stack.defer(() => rm(folder, { recursive: true, maxRetries: 5 }));
  const [etcd, peer, api] = await Promise.all([freePort(), freePort(), freePort()]);
  const run = async (name: string, args: readonly string[]): Promise<void> => {
    const log = await open(join(folder, `${name}.log`), "w");
    const child = spawn(join(BIN, name), args, { stdio: ["ignore", log.fd, log.fd] });
    await log.close();
    stack.defer(() => ended(child));
  };
  await run("etcd", etcdArguments(folder, etcd, peer));
  await run("kube-apiserver", await apiArguments(folder, etcd, api));
  const kubeconfig = join(folder, "kubeconfig");
  const client = await vi.waitFor(() => connect(kubeconfig, folder, api), { timeout: 60_000, interval: 200 });
  stack.defer(() => client[Symbol.dispose]());
  const owned = stack.move();
  return { client, kubeconfig, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

function etcdArguments(folder: string, port: number, peer: number): readonly string[] {
  const url = `http://127.0.0.1:${port}`;
  const peerUrl = `http://127.0.0.1:${peer}`;
  return [
    `--data-dir=${join(folder, "etcd")}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    "--unsafe-no-fsync",
  ];
}

async function apiArguments(folder: string, etcd: number, port: number): Promise<readonly string[]> {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  await writeFile(join(folder, "sa.key"), privateKey);
  await writeFile(join(folder, "sa.pub"), publicKey);
  await writeFile(join(folder, "tokens.csv"), `${ADMIN_TOKEN},admin,admin,system:masters\n`);
  return [
    `--etcd-servers=http://127.0.0.1:${etcd}`,
    "--bind-address=127.0.0.1",
    `--secure-port=${port}`,
    `--cert-dir=${join(folder, "certificates")}`,
    `--token-auth-file=${join(folder, "tokens.csv")}`,
    "--authorization-mode=RBAC",
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${join(folder, "sa.pub")}`,
    `--service-account-signing-key-file=${join(folder, "sa.key")}`,
    "--service-cluster-ip-range=10.96.0.0/16",
    "--disable-admission-plugins=ServiceAccount",
  ];
}

async function connect(kubeconfig: string, folder: string, port: number): Promise<KubeClient> {
  const ca = await readFile(join(folder, "certificates", "apiserver.crt"));
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "real",
    contexts: [{ name: "real", context: { cluster: "real", user: "admin" } }],
    clusters: [
      {
        name: "real",
        cluster: {
          server: `https://127.0.0.1:${port}`,
          "certificate-authority-data": ca.toString("base64"),
        },
      },
    ],
    users: [{ name: "admin", user: { token: ADMIN_TOKEN } }],
  };
  await writeFile(kubeconfig, JSON.stringify(config));
  const client = await connectKube({ kind: "kubeconfig", path: kubeconfig });
  try {
    await client.get(
      { apiVersion: "v1", kind: "Namespace", plural: "namespaces", isNamespaced: false },
      { name: "default" },
    );
    return client;
  } catch (error) {
    client[Symbol.dispose]();
    throw error;
  }
}
