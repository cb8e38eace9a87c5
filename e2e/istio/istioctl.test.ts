// SPDX-License-Identifier: Apache-2.0
// Run by `npm run e2e:istio`, like control-plane.test.ts: does Istio's istioctl see in our config_dump what is in it?
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { canUseNetns } from "@ambientmesh/testkit";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { applyYaml } from "../../packages/istiod/test/support/mesh.ts";
import { readSome } from "../../packages/ztunnel/test/testbed/mesh.ts";
import { SYSTEM, VIP, idOf } from "./cluster.ts";
import { needIstio } from "./install.ts";
import { startIstioMesh, type IstioMesh } from "./mesh.ts";

const { missing, path } = await needIstio("pilot-discovery", "istioctl");
const title = missing === undefined ? "Istio's istioctl on our config_dump" : `skipped: ${missing}`;

type Json = { readonly [name: string]: unknown };
interface Dump {
  readonly workloads: readonly Json[];
  readonly services: readonly Json[];
  readonly policies: readonly Json[];
  readonly certificates: readonly Json[];
  readonly workloadState: Json;
}

/** Fields that istioctl's own types don't have, and so leave out. */
const UNKNOWN_TO_ISTIOCTL = new Set([
  "workloads.networkMode",
  "workloads.nativeTunnel",
  "workloads.services",
  "services.weightedWaypoints",
  "services.endpoints.status",
  "policies.dryRun",
]);

const OBJECTS = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: every-field, namespace: default }
spec:
  selector: { matchLabels: { app: server } }
  action: DENY
  rules:
    - from: [{ source: { principals: ["*/sa/other", "cluster.local/ns/x/*"], notNamespaces: [default] } }]
      to: [{ operation: { ports: ["9000"], notPorts: ["9001"] } }]
      when: [{ key: destination.ip, values: [10.9.0.0/16] }]
    - from: [{ source: { serviceAccounts: [x/y], ipBlocks: [10.8.0.0/16], notIpBlocks: [10.8.8.8] } }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: outside, namespace: default }
spec:
  hosts: [a.example.com]
  addresses: [198.51.100.0/24, 203.0.113.9]
  resolution: STATIC
  ports: [{ number: 443, name: tls, protocol: TLS }]
  endpoints: [{ address: 192.0.2.1, locality: r1/zone-n1/s, ports: { tls: 8443 } }]
---
apiVersion: v1
kind: Service
metadata: { name: close, namespace: default }
spec: { trafficDistribution: PreferClose, selector: { app: server }, ports: [{ name: tcp, port: 81, targetPort: 8080 }] }
`;

describe.skipIf(missing !== undefined || !canUseNetns(process.env))(title, () => {
  const stack = new AsyncDisposableStack();
  let mesh: IstioMesh;
  let folder: string;
  let dump: Dump;

  const istioctl = async (...args: string[]): Promise<string> => {
    const env = { PATH: process.env["PATH"], HOME: folder, KUBECONFIG: join(folder, "none") };
    const { stdout } = await promisify(execFile)(path("istioctl"), args, { env });
    return stdout;
  };
  const config = (kind: string, ...more: string[]): Promise<string> =>
    istioctl("ztunnel-config", kind, "--file", join(folder, "dump.json"), ...more);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "istio-istioctl-"));
    stack.defer(() => rm(folder, { recursive: true }));
    mesh = stack.use(await startIstioMesh(path("pilot-discovery")));
    await applyYaml(mesh.kube.client, OBJECTS);
    const socket = await mesh.proxies.connect("client", VIP, 80);
    socket.write("hello");
    await readSome(socket);
    const signs = ["every-field", "a.example.com", "close.default", '"Available"'];
    const text = await vi.waitFor(
      async () => {
        const now = await mesh.proxies.node("n1").dump();
        const absent = signs.filter((sign) => !now.includes(sign));
        if (absent.length > 0) throw new Error(`not in the dump: ${absent.join(" ")}`);
        return now;
      },
      { timeout: 20_000, interval: 50 },
    );
    dump = JSON.parse(text) as Dump;
    await writeFile(join(folder, "dump.json"), text);
  });
  afterAll(() => stack.disposeAsync());

  it.each(["workloads", "services", "policies", "certificates"] as const)("reads our %s as they are", async (kind) => {
    const theirs = JSON.parse(await config(kind, "-o", "json")) as readonly Json[];
    expect(theirs.length).toBeGreaterThan(0);
    const keyOf = (one: Json): string => String(one["uid"] ?? one["hostname"] ?? one["identity"] ?? one["name"]);
    const byKey = (list: readonly Json[], seen: (one: Json) => unknown): Json =>
      Object.fromEntries(list.map((one) => [keyOf(one), seen(one)]));
    expect(byKey(theirs, withoutEmpty)).toEqual(byKey(dump[kind], (one) => withoutEmpty(asSeen(kind, one))));
  });

  it("prints workloads, services and policies for people", async () => {
    const both = (pod: string): string => `${mesh.network.pod(pod).address},${mesh.network.pod(pod).address6}`;
    const workloads = await config("workloads", "--workload-namespace", "default");
    expect(lines(workloads).filter((line) => !line.startsWith("default kubernetes "))).toEqual([
      "NAMESPACE POD NAME ADDRESS NODE WAYPOINT PROTOCOL",
      `default client ${both("client")} n1 None HBONE`,
      "default outside 192.0.2.1 None TCP",
      `default plain ${both("plain")} n1 None TCP`,
      `default server ${both("server")} n2 None HBONE`,
    ]);
    const services = lines(await config("services"));
    expect(services).toContain(`default server ${VIP} None 1/1`);
    expect(services).toContain("default outside 203.0.113.9 None 1/1");
    expect(lines(await config("policies"))).toEqual([
      "NAMESPACE POLICY NAME ACTION SCOPE",
      "default every-field Deny WorkloadSelector",
    ]);
  });

  it("finds the certificates valid", async () => {
    const certificates = lines(await config("certificates")).filter((line) => line.startsWith(`${idOf("client")} `));
    const rest = "Available true [0-9a-f]+ \\d{4}-\\S+Z \\d{4}-\\S+Z$";
    expect(certificates).toEqual([
      expect.stringMatching(new RegExp(`Leaf ${rest}`)),
      expect.stringMatching(new RegExp(`Root ${rest}`)),
    ]);
  });

  it("shows the open connection at both of its ends", async () => {
    const target = "server.default.svc.cluster.local:80";
    expect(lines(await config("connections"))).toContainEqual(
      expect.stringMatching(
        new RegExp(`^client.default Outbound client.default:\\d+ server.default:15008 ${target} HBONE$`),
      ),
    );
    await writeFile(join(folder, "n2.json"), await mesh.proxies.node("n2").dump());
    const inbound = await istioctl("ztunnel-config", "connections", "--file", join(folder, "n2.json"));
    expect(lines(inbound)).toContainEqual(
      expect.stringMatching(new RegExp(`^server.default Inbound server.default:8080 client.default:\\d+ \\S+ HBONE$`)),
    );
  });

  it("prints it all", async () => {
    const all = await config("all", "--with-headers");
    for (const sign of [SYSTEM, "every-field", "203.0.113.9", idOf("client")]) expect(all).toContain(sign);
  });
});

/** Lines of a table, with one space between cells; empty cells are lost. */
const lines = (table: string): string[] =>
  table
    .trim()
    .split("\n")
    .map((line) => line.trim().replaceAll(/ +/g, " "));

/** One of our objects as istioctl keeps it; it writes CIDRs in one piece, whichever way it read them. */
function asSeen(kind: keyof Dump, object: Json): Json {
  const known = (one: Json, path: string): Json =>
    Object.fromEntries(Object.entries(one).filter(([name]) => !UNKNOWN_TO_ISTIOCTL.has(`${path}.${name}`)));
  const { cidrVips, endpoints, ...rest } = known(object, kind);
  return {
    ...rest,
    ...(isList(cidrVips) && { cidrVips: cidrVips.map(({ network, cidr }) => `${String(network)}/${String(cidr)}`) }),
    ...(isJson(endpoints) && {
      endpoints: Object.fromEntries(
        Object.entries(endpoints).map(([uid, endpoint]) => [uid, known(endpoint as Json, `${kind}.endpoints`)]),
      ),
    }),
  };
}

const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null;
const isList = (value: unknown): value is readonly Json[] => Array.isArray(value);

/** What Go leaves out or fills in for nothing said. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutEmpty(item));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([name, item]) => [name, withoutEmpty(item)] as const);
  return Object.fromEntries(entries.filter(([, item]) => !isEmpty(item)));
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === "" || value === false || value === 0) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
