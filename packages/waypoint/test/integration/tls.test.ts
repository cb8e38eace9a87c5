// SPDX-License-Identifier: Apache-2.0
import { createServer, get, type IncomingMessage } from "node:http";
import { createServer as createHttpsServer, request as httpsRequest } from "node:https";
import { connect as connectH2 } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { privateKeyPem, trustBundlePem, type Svid } from "@ambientmesh/spiffe";
import { createTestAuthority, testSvid } from "@ambientmesh/testkit";
import { afterEach, describe, expect, test } from "vitest";
import { startWaypoint } from "../../src/index.ts";
import { bootstrapOf, clusterOf, httpFilter, listenerOf } from "../fixtures.ts";

let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

const CLIENT = "spiffe://cluster.local/ns/default/sa/client";
const OTHER = "spiffe://cluster.local/ns/other/sa/client";
const SERVER = "spiffe://cluster.local/ns/default/sa/waypoint";

const chainOf = (svid: Svid): string => svid.certificateChain.map(({ pem }) => pem).join("\n");

function material(svid: Svid): { cert: string; key: string; ca: string } {
  return { cert: chainOf(svid), key: privateKeyPem(svid.privateKey), ca: trustBundlePem(svid.trustBundle) };
}

function commonContext(svid: Svid, uriPrefix?: string): object {
  const { cert, key, ca } = material(svid);
  const names = uriPrefix && { match_typed_subject_alt_names: [{ san_type: "URI", matcher: { prefix: uriPrefix } }] };
  return {
    tls_certificates: [{ certificate_chain: { inline_string: cert }, private_key: { inline_string: key } }],
    validation_context: { trusted_ca: { inline_string: ca }, ...names },
    alpn_protocols: ["h2", "http/1.1"],
  };
}

function transportSocket(kind: "Downstream" | "Upstream", settings: object): object {
  const type = `type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.${kind}TlsContext`;
  return { name: "tls", typed_config: { "@type": type, ...settings } };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(() => void server.close());
  return (server.address() as AddressInfo).port;
}

describe("clients", () => {
  async function proxy(requiresCertificate = true): Promise<number> {
    const svid = await testSvid(SERVER);
    const backend = await listen(
      createServer((request, response) => response.end(String(request.headers["x-forwarded-proto"]))),
    );
    const policies = {
      "the client": {
        permissions: [{ any: true }],
        principals: [{ authenticated: { principal_name: { exact: CLIENT } } }],
      },
    };
    const filters = [httpFilter("rbac.v3.RBAC", { rules: { policies } }), httpFilter("router.v3.Router")];
    const listener = listenerOf([{ match: { prefix: "/" }, route: { cluster: "app" } }], { http_filters: filters });
    const [chain] = (listener as { filter_chains: object[] }).filter_chains;
    const socket = transportSocket("Downstream", {
      common_tls_context: commonContext(svid, "spiffe://cluster.local/"),
      require_client_certificate: requiresCertificate,
    });
    const bootstrap = bootstrapOf(
      [{ ...listener, filter_chains: [{ ...chain, transport_socket: socket }] }],
      [clusterOf("app", [backend])],
    );
    const waypoint = stack.use(await startWaypoint(bootstrap, {}, { drainMs: 50 }));
    return waypoint.address("main")?.port ?? 0;
  }

  async function ask(port: number, svid?: Svid): Promise<string> {
    const own = svid ? material(svid) : {};
    const sent = httpsRequest({ port, host: "127.0.0.1", agent: false, ...own, rejectUnauthorized: false });
    sent.end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    return `${response.statusCode} ${await text(response)}`;
  }

  test("are known by their certificate to policies", async () => {
    const port = await proxy();
    expect(await ask(port, await testSvid(CLIENT))).toBe("200 https");
    expect(await ask(port, await testSvid(OTHER))).toBe("403 RBAC: access denied");
  });

  test("speak HTTP/2 too", async () => {
    const port = await proxy();
    const session = connectH2(`https://127.0.0.1:${port}`, {
      ...material(await testSvid(CLIENT)),
      rejectUnauthorized: false,
    });
    stack.defer(() => session.destroy());
    const stream = session.request({ ":path": "/" });
    expect(await text(stream)).toBe("https");
    expect(session.alpnProtocol).toBe("h2");
  });

  test("without a certificate, of another authority or with another name are turned away", async () => {
    const port = await proxy();
    const stranger = await createTestAuthority();
    const foreign = await createTestAuthority({ trustDomain: "other.test" });
    await expect(ask(port)).rejects.toThrow(/ECONNRESET|socket hang up|certificate/);
    await expect(ask(port, await stranger.svid(CLIENT))).rejects.toThrow(/ECONNRESET|socket hang up|alert/);
    await expect(ask(port, await foreign.svid("spiffe://other.test/ns/a/sa/b"))).rejects.toThrow(
      /ECONNRESET|socket hang up|alert/,
    );
  });

  test("need no certificate where none is asked for, and are nobody then", async () => {
    expect(await ask(await proxy(false))).toBe("403 RBAC: access denied");
  });
});

describe("upstreams", () => {
  async function answer(serverId: string, uriPrefix: string): Promise<string> {
    const server = createHttpsServer(
      { ...material(await testSvid(serverId)), requestCert: true },
      (request, response) => response.end(`${request.headers.host} over TLS`),
    );
    const backend = await listen(server);
    const socket = transportSocket("Upstream", {
      common_tls_context: commonContext(await testSvid(CLIENT), uriPrefix),
      sni: "app.test",
    });
    const bootstrap = bootstrapOf(
      [listenerOf([{ match: { prefix: "/" }, route: { cluster: "app" } }])],
      [clusterOf("app", [backend], { transport_socket: socket })],
    );
    const waypoint = stack.use(await startWaypoint(bootstrap, {}, { drainMs: 50 }));
    const sent = get({ port: waypoint.address("main")?.port, host: "127.0.0.1", headers: { host: "x" }, agent: false });
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    return `${response.statusCode} ${await text(response)}`;
  }

  test("are spoken to over TLS", async () => {
    expect(await answer(SERVER, "spiffe://cluster.local/ns/default/")).toBe("200 x over TLS");
  });

  test("with another name get no request", async () => {
    expect(await answer(OTHER, "spiffe://cluster.local/ns/default/")).toMatch(/^503 .*remote connection failure$/);
  });
});

test("certificates that can't be used are refused", async () => {
  const common = {
    tls_certificates: [{ certificate_chain: { inline_string: "none" }, private_key: { inline_string: "none" } }],
  };
  const listener = listenerOf([]) as { filter_chains: object[] };
  const chain = {
    ...listener.filter_chains[0],
    transport_socket: transportSocket("Downstream", { common_tls_context: common }),
  };
  await expect(startWaypoint(bootstrapOf([{ ...listener, filter_chains: [chain] }], []))).rejects.toMatchObject({
    code: "WAYPOINT_CONFIG_INVALID",
    message: expect.stringContaining("filter_chains[0].transport_socket.typed_config.common_tls_context") as unknown,
  });
});
