// SPDX-License-Identifier: Apache-2.0
/**
 * A/B of this engine against node:http2, on loopback. Each runs as a pair of processes (client and server proxy); both pairs
 * live at the same time and take short turns, so that whatever else the machine does hits both.
 *
 *     node --conditions=@ambientmesh/source packages/hbone/bench/run.ts [--slices 8] [--ms 500] [--only bulk-up-1] [--engine ours]
 *
 * Prints CPU seconds (user and system, both proxies) per unit and the ratio ours / node:http2: the median of the ratios of
 * neighbouring turns, with their range. Trust the ratios, not the absolute figures: load generator and app share the machine.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { privateKeyPem, trustBundlePem } from "@ambientmesh/spiffe";
import { createTestAuthority } from "@ambientmesh/testkit";
import { bulk, connections, requests, startApp, type RunningLoad } from "./loads.ts";
import type { ProxySetup } from "./proxy.ts";

const { values } = parseArgs({
  options: {
    slices: { type: "string", default: "8" },
    ms: { type: "string", default: "500" },
    only: { type: "string" },
    engine: { type: "string" },
  },
});
const ms = Number(values.ms);
const app = await startApp();

const loads: Record<
  string,
  { readonly unit: string; readonly size: number; readonly start: (port: number) => Promise<RunningLoad> }
> = {
  "bulk-up-1": { unit: "GB", size: 1e9, start: (port) => bulk(port, "u", 1, app) },
  "bulk-up-8": { unit: "GB", size: 1e9, start: (port) => bulk(port, "u", 8, app) },
  "bulk-down-1": { unit: "GB", size: 1e9, start: (port) => bulk(port, "d", 1, app) },
  "requests-32": { unit: "10k requests", size: 1e4, start: (port) => requests(port, 32) },
  "requests-1": { unit: "10k requests", size: 1e4, start: (port) => requests(port, 1) },
  "connections-16": { unit: "10k connections", size: 1e4, start: async (port) => connections(port, 16) },
};

const elapsed = (wait: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, wait));

/** CPU seconds per unit while a load runs, after it has run for a while: not how it starts and ends. */
async function measure(pair: Pair, load: (typeof loads)[string]): Promise<{ cost: number; note: string }> {
  const running = await load.start(pair.port);
  await elapsed(300);
  const [before, done] = [await pair.usage(), running.done()];
  running.latencies.length = 0;
  const base = running.done() === 0 ? 0 : done;
  const at = performance.now();
  await elapsed(ms);
  const [after, total] = [await pair.usage(), running.done()];
  const seconds = (performance.now() - at) / 1000;
  running.stop();
  await elapsed(200);
  const units = (total - base) / load.size;
  const sorted = running.latencies.toSorted((a, b) => a - b);
  const quantile = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(2);
  const latency = sorted.length === 0 ? "" : `, p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms`;
  const note = `${(units / seconds).toFixed(3)} ${load.unit}/s${latency}, RSS ${after.rssMb} MB`;
  return { cost: (after.cpuSeconds - before.cpuSeconds) / units, note };
}

interface Pair {
  readonly port: number;
  usage(): Promise<{ cpuSeconds: number; rssMb: string }>;
  stop(): void;
}

const authority = await createTestAuthority();
const clientSvid = await authority.svid("spiffe://cluster.local/ns/bench/sa/client");
const serverSvid = await authority.svid("spiffe://cluster.local/ns/bench/sa/server");

async function startProxy(
  setup: Omit<ProxySetup, "chainPem" | "keyPem" | "rootsPem" | "peerId">,
): Promise<ChildProcess & { port: number }> {
  const [svid, peer] = setup.role === "client" ? [clientSvid, serverSvid] : [serverSvid, clientSvid];
  const child = fork(new URL("proxy.ts", import.meta.url), { execArgv: process.execArgv });
  child.send({
    ...setup,
    chainPem: svid.certificateChain.map(({ pem }) => pem).join(""),
    keyPem: privateKeyPem(svid.privateKey),
    rootsPem: trustBundlePem(svid.trustBundle),
    peerId: peer.id,
  } satisfies ProxySetup);
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  return Object.assign(child, { port });
}

async function startPair(engine: any, appPort: number): Promise<Pair> {
  if (engine === "envoy") return startEnvoy(appPort);
  const server = await startProxy({ engine, role: "server", hbonePort: 0, appPort });
  const client = await startProxy({ engine, role: "client", hbonePort: server.port, appPort });
  const ask = async (child: ChildProcess): Promise<{ cpuSeconds: number; rss: number }> => {
    const answer = once(child, "message");
    child.send("usage");
    return (await answer)[0] as { cpuSeconds: number; rss: number };
  };
  return {
    port: client.port,
    usage: async () => {
      const [a, b] = await Promise.all([ask(client), ask(server)]);
      return {
        cpuSeconds: a.cpuSeconds + b.cpuSeconds,
        rssMb: `${Math.round(a.rss / 1e6)}/${Math.round(b.rss / 1e6)}`,
      };
    },
    stop: () => [client, server].forEach((child) => child.disconnect()),
  };
}
import { spawn } from "node:child_process";
import { writeFileSync, readFileSync } from "node:fs";
import { connect } from "node:net";
async function startEnvoy(appPort: number): Promise<Pair> {
  const E = "/tmp/hb/venv/lib/python3.11/site-packages/envoy/_bin/envoy";
  const D = "/tmp/hb/envoy/b-";
  for (const [n, s] of [
    ["client", clientSvid],
    ["server", serverSvid],
  ] as const) {
    writeFileSync(D + n + ".key", privateKeyPem(s.privateKey));
    writeFileSync(D + n + ".crt", s.certificateChain.map((c) => c.pem).join(""));
    writeFileSync(D + "ca.crt", trustBundlePem(s.trustBundle));
  }
  const tls = (n: string, peer: string) =>
    `{ common_tls_context: { alpn_protocols: [h2], tls_params: { tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3 }, tls_certificates: [{ certificate_chain: { filename: ${D}${n}.crt }, private_key: { filename: ${D}${n}.key } }], validation_context: { trusted_ca: { filename: ${D}ca.crt }, match_typed_subject_alt_names: [{ san_type: URI, matcher: { exact: "${peer}" } }] } }`;
  const h2 = ", initial_stream_window_size: 4194304, initial_connection_window_size: 16777216";
  writeFileSync(
    D + "server.yaml",
    `
static_resources:
  listeners:
  - name: hbone
    per_connection_buffer_limit_bytes: 1048576
    address: { socket_address: { address: 127.0.0.1, port_value: 19008 } }
    filter_chains:
    - transport_socket: { name: tls, typed_config: { "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, require_client_certificate: true, ${tls("server", clientSvid.id).slice(1)} } }
      filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: a
          codec_type: HTTP2
          http2_protocol_options: { allow_connect: true${h2} }
          upgrade_configs: [{ upgrade_type: CONNECT }]
          http_filters: [{ name: r, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }]
          route_config: { virtual_hosts: [{ name: a, domains: ["*"], routes: [{ match: { connect_matcher: {} }, route: { cluster: app, upgrade_configs: [{ upgrade_type: CONNECT, connect_config: {} }] } }] }] }
  clusters:
  - { name: app, connect_timeout: 1s, per_connection_buffer_limit_bytes: 1048576, type: STATIC, circuit_breakers: { thresholds: [{ max_connections: 100000, max_pending_requests: 100000, max_requests: 100000 }] }, load_assignment: { cluster_name: app, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${appPort} } } } }] }] } }
`,
  );
  writeFileSync(
    D + "client.yaml",
    `
static_resources:
  listeners:
  - name: out
    per_connection_buffer_limit_bytes: 1048576
    address: { socket_address: { address: 127.0.0.1, port_value: 19001 } }
    filter_chains: [{ filters: [{ name: t, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: b, cluster: hbone, tunneling_config: { hostname: "127.0.0.1:${appPort}" } } }] }]
  clusters:
  - name: hbone
    type: STATIC
    per_connection_buffer_limit_bytes: 1048576
    circuit_breakers: { thresholds: [{ max_connections: 100000, max_pending_requests: 100000, max_requests: 100000 }] }
    load_assignment: { cluster_name: hbone, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 19008 } } } }] }] }
    typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http2_protocol_options: { allow_connect: true${h2} } } } }
    transport_socket: { name: tls, typed_config: { "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, ${tls("client", serverSvid.id).slice(1)} } }
`,
  );
  const procs = ["server", "client"].map((n, i) =>
    spawn(E, ["-c", D + n + ".yaml", "--concurrency", "2", "-l", "error", "--base-id", String(80 + i)], {
      stdio: "ignore",
    }),
  );
  for (;;) {
    const s = connect(19001, "127.0.0.1");
    const ok = await new Promise((r) => {
      s.on("connect", () => r(true));
      s.on("error", () => r(false));
    });
    s.destroy();
    if (ok) break;
    await elapsed(100);
  }
  await elapsed(500);
  const cpu = (pid: number) => {
    const f = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
    return (Number(f[11]) + Number(f[12])) / 100;
  };
  const rss = (pid: number) => Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4096;
  return {
    port: 19001,
    usage: async () => ({
      cpuSeconds: procs.reduce((a, p) => a + cpu(p.pid!), 0),
      rssMb: procs.map((p) => Math.round(rss(p.pid!) / 1e6)).join("/"),
    }),
    stop: () => procs.forEach((p) => p.kill()),
  };
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

const engines = (["ours", "envoy"] as const).filter((engine) => (values.engine ?? engine) === engine);
const pairs = new Map<string, Pair>();
for (const engine of engines) pairs.set(engine, await startPair(engine, app.port));

const table = ["| load | ours | node:http2 | ours / node:http2 |", "|---|---|---|---|"];
for (const [name, load] of Object.entries(loads)) {
  if ((values.only ?? name) !== name) continue;
  const costs: Record<string, number[]> = { ours: [], envoy: [] };
  for (let slice = 0; slice < Number(values.slices); slice++) {
    for (const engine of slice % 2 === 0 ? engines : engines.toReversed()) {
      const { cost, note } = await measure(pairs.get(engine) as Pair, load);
      costs[engine]?.push(cost);
      console.log(`${name.padEnd(15)} ${engine.padEnd(11)} ${cost.toFixed(3)} CPU-s/${load.unit}  ${note}`);
    }
  }
  const [ours = [], theirs = []] = [costs["ours"], costs["envoy"]];
  const ratios = ours.map((cost, index) => cost / (theirs[index] ?? Number.NaN)).toSorted((a, b) => a - b);
  const range = `${median(ratios).toFixed(2)} (${ratios[0]?.toFixed(2)} to ${ratios.at(-1)?.toFixed(2)})`;
  table.push(`| ${name}, CPU-s/${load.unit} | ${median(ours).toFixed(3)} | ${median(theirs).toFixed(3)} | ${range} |`);
}
for (const pair of pairs.values()) pair.stop();
app.close();
console.log(`\n${table.join("\n")}`);
