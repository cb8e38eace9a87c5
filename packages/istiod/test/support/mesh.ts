// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import { systemClock, type LogFields, type Logger, type MeshError } from "@ambientmesh/core";
import { RESOURCES, connectKube, objectKey, type KubeClient, type Resource } from "@ambientmesh/kube";
import { createLocalKube, type LocalKube } from "@ambientmesh/kube/local";
import { createMetrics, type MetricsRegistry } from "@ambientmesh/telemetry";
import { vi } from "vitest";
import { Istiod } from "../../src/app.ts";
import { parseConfig, type IstiodConfig } from "../../src/config/config.ts";
import { GATEWAY_RESOURCES, ISTIO_RESOURCES } from "../../src/sources/istio-resources.ts";
import { ISTIO_DEFINITIONS } from "./istio-definitions.ts";
import { parseObjects } from "./translate.ts";

/** A log that can be looked at. */
export interface TestLog extends Logger {
  readonly records: { readonly level: string; readonly event: string; readonly fields: LogFields | undefined }[];
}

function testLog(): TestLog {
  const records: TestLog["records"] = [];
  const at = (level: string) => (event: string, fields?: LogFields) => void records.push({ level, event, fields });
  const log: TestLog = {
    records,
    isEnabled: () => true,
    child: () => log,
    error: at("error"),
    warn: at("warn"),
    info: at("info"),
    debug: at("debug"),
    trace: at("trace"),
  };
  return log;
}

/** A local API server with Istio's kinds and an administrator's client. */
export interface TestKube extends AsyncDisposable {
  readonly server: LocalKube;
  readonly client: KubeClient;
}

export async function startKube(): Promise<TestKube> {
  const server = createLocalKube({}, { definitions: ISTIO_DEFINITIONS });
  await server.start();
  const client = await connectKube({ kind: "in-process", connect: () => server.connect(), token: server.adminToken });
  await client.create(RESOURCES.Namespace, { metadata: { name: "istio-system" } });
  return {
    server,
    client,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** A running istiod. */
export interface TestIstiod extends AsyncDisposable {
  readonly istiod: Istiod;
  readonly log: TestLog;
  readonly metrics: MetricsRegistry;
  readonly url: { readonly http: string; readonly monitoring: string };
  /** "host:port". */
  readonly address: { readonly grpc: string; readonly secureGrpc: string };
}

const FLAGS = [
  "--httpAddr=127.0.0.1:0",
  "--grpcAddr=127.0.0.1:0",
  "--secureGRPCAddr=127.0.0.1:0",
  "--monitoringAddr=127.0.0.1:0",
  "--httpsAddr=127.0.0.1:0",
];

export function testConfig(env: Record<string, string> = {}, flags: readonly string[] = []): IstiodConfig {
  const command = parseConfig({
    argv: ["discovery", ...FLAGS, "--shutdownDuration=1s", ...flags],
    env: { CA_TRUSTED_NODE_ACCOUNTS: "istio-system/ztunnel", ...env },
    cpus: 2,
    readFile: () => undefined,
  });
  if (command.kind !== "discovery") throw new Error("no configuration");
  return command.config;
}

/** An istiod that has not been started, with what can be seen of it from outside. */
export function createIstiod(client: KubeClient, config: IstiodConfig = testConfig()) {
  const log = testLog();
  const metrics = createMetrics();
  const onCrash = (error: MeshError): void => log.error("istiod crashed", { error });
  const istiod = new Istiod({ clock: systemClock, logger: log, metrics, client, onCrash }, config);
  return { istiod, log, metrics };
}

export async function startIstiod(client: KubeClient, config: IstiodConfig = testConfig()): Promise<TestIstiod> {
  const created = createIstiod(client, config);
  await created.istiod.start();
  const { http, monitoring, grpc, secureGrpc } = created.istiod.addresses;
  return {
    ...created,
    url: { http: `http://127.0.0.1:${http?.port}`, monitoring: `http://127.0.0.1:${monitoring?.port}` },
    address: { grpc: `127.0.0.1:${grpc?.port}`, secureGrpc: `127.0.0.1:${secureGrpc?.port}` },
    [Symbol.asyncDispose]: () => created.istiod[Symbol.asyncDispose](),
  };
}

const KINDS: Readonly<Record<string, Resource>> = { ...RESOURCES, ...ISTIO_RESOURCES, ...GATEWAY_RESOURCES };

/** Puts objects into the API as a user or controller would, status included. */
export async function applyYaml(client: KubeClient, yaml: string): Promise<void> {
  for (const object of parseObjects(yaml)) await applyObject(client, object);
}

async function applyObject(client: KubeClient, object: KubernetesObject): Promise<void> {
  const resource = KINDS[object.kind];
  if (!resource) throw new Error(`no resource for ${objectKey(object.metadata)}`);
  const options = { fieldManager: "test", isForced: true };
  await client.apply(resource, object, options);
  if ("status" in object) await client.apply(resource, object, { ...options, subresource: "status" });
}

/** A pod on a node, as kubelet would report it. */
export function podYaml(pod: {
  name: string;
  namespace?: string;
  node?: string;
  account?: string;
  ip?: string;
  labels?: string;
}): string {
  const { name, namespace = "shop", node = "n1", account = "default", ip = "10.0.0.1", labels = "" } = pod;
  return `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { ${labels} } }
spec: { nodeName: ${node}, serviceAccountName: ${account}, containers: [{ name: main, image: none }] }
status: { phase: Running, podIP: ${ip}, podIPs: [{ ip: ${ip} }], conditions: [{ type: Ready, status: "True" }] }
`;
}

/** A namespace with service accounts. */
export function namespaceYaml(name: string, ...accounts: string[]): string {
  const objects = accounts.map(
    (account) => `
apiVersion: v1
kind: ServiceAccount
metadata: { name: ${account}, namespace: ${name} }
`,
  );
  return [`\napiVersion: v1\nkind: Namespace\nmetadata: { name: ${name} }\n`, ...objects].join("---");
}

/** A token bound to a pod, as a projected volume holds it. */
export async function podToken(
  client: KubeClient,
  pod: { name: string; namespace: string; account: string },
  audience = "istio-ca",
): Promise<string> {
  const { namespace, name, account } = pod;
  const { metadata } = await client.get(RESOURCES.Pod, { namespace, name });
  const boundObjectRef = {
    kind: "Pod",
    apiVersion: "v1",
    name,
    ...(metadata.uid !== undefined && { uid: metadata.uid }),
  };
  const { token } = await client.requestToken(
    { namespace, name: account },
    { audiences: [audience], expirationSeconds: 3600, boundObjectRef },
  );
  return token;
}

/** The root certificate that istiod put into a namespace, once it is there. */
export function rootOf(client: KubeClient, namespace = "istio-system"): Promise<string> {
  return vi.waitFor(
    async () => {
      const map = await client.get(RESOURCES.ConfigMap, { namespace, name: "istio-ca-root-cert" });
      const root = map.data?.["root-cert.pem"];
      if (root === undefined) throw new Error("the ConfigMap holds no root yet");
      return root;
    },
    { timeout: 10_000, interval: 20 },
  );
}
