// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SecretManager, createCsr, parseSpiffeId } from "@ambientmesh/spiffe";
import { silentLogger } from "@ambientmesh/core";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { CaClient, caErrors, type CaClientOptions } from "../../src/client/index.ts";
import { createRoot, withRoots } from "../../src/index.ts";
import { CertificateService, refusal } from "./certificate-service.ts";

const EC = { keyType: "ecdsa-p256" } as const;
const id = parseSpiffeId("spiffe://cluster.local/ns/default/sa/web");
const { csrPem } = await createCsr({ id });
const material = await createRoot("cluster.local", EC);

let folder: string;
let service: CertificateService;
let clients: CaClient[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ca-client-"));
  service = await new CertificateService(material).listen(["localhost"]);
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client[Symbol.dispose]();
  await service[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const warnings: unknown[] = [];
const logger = { ...silentLogger, warn: (event: string) => warnings.push(event) };
function clientOf(options: Partial<CaClientOptions> = {}): CaClient {
  const client = new CaClient(
    { logger },
    {
      address: `https://localhost:${service.port}`,
      rootCa: { pem: material.rootsPem },
      isImpersonating: true,
      ...options,
    },
  );
  clients.push(client);
  return client;
}

describe("a request", () => {
  it("carries request, validity, identity, token, cluster and headers", async () => {
    const client = clientOf({ token: { value: "secret" }, clusterId: "c1", headers: [["x-a", "b"]], ttlSeconds: 3600 });
    const chain = await client.issue(csrPem, id);
    expect(chain).toHaveLength(2);
    const [{ metadata, request }] = service.calls as [(typeof service.calls)[number]];
    expect(request).toMatchObject({ csr: csrPem, validityDuration: 3600n, metadata: { ImpersonatedIdentity: id } });
    expect(metadata.get("authorization")).toEqual(["Bearer secret"]);
    expect(metadata.get("clusterid")).toEqual(["c1"]);
    expect(metadata.get("x-a")).toEqual(["b"]);
  });

  it("names nobody and asks for a day by default", async () => {
    const own = parseSpiffeId("spiffe://cluster.local/ns/ns/sa/caller");
    await clientOf({ isImpersonating: false }).issue((await createCsr({ id: own })).csrPem, own);
    const [{ metadata, request }] = service.calls as [(typeof service.calls)[number]];
    expect(request.metadata).toBeUndefined();
    expect(request.validityDuration).toBe(86_400n);
    expect(metadata.get("authorization")).toEqual([]);
    expect(metadata.get("clusterid")).toEqual([]);
  });

  it("has the token that the file holds now", async () => {
    const file = join(folder, "token");
    const client = clientOf({ token: { file } });
    await expect(client.issue(csrPem, id)).rejects.toMatchObject({
      code: "CA_CREDENTIALS_UNREADABLE",
      retryable: true,
    });
    for (const token of ["one", "two"]) {
      await writeFile(file, `${token}\n`);
      await client.issue(csrPem, id);
    }
    expect(service.calls.flatMap(({ metadata }) => metadata.get("authorization"))).toEqual([
      "Bearer one",
      "Bearer two",
    ]);
  });

  it("never shows a token that can't be sent", async () => {
    const error: unknown = await clientOf({ token: { value: "sec\nret" } })
      .issue(csrPem, id)
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "CA_CREDENTIALS_UNREADABLE" });
    expect(String(error)).not.toContain("ret");
  });

  it("goes in the clear to loopback only if the address says so", async () => {
    await using plain = await new CertificateService(material).listen(undefined);
    const client = clientOf({
      address: `http://127.0.0.1:${plain.port}`,
      rootCa: { file: "/does/not/exist" },
      token: { value: "t" },
    });
    expect(await client.issue(csrPem, id)).toHaveLength(2);
  });

  it("with a header that gRPC does not know is refused at the start", () => {
    expect(() => clientOf({ headers: [["a b", "c"]] })).toThrow(expect.objectContaining({ code: "CA_CLIENT_INVALID" }));
  });
});

describe("a certificate manager", () => {
  it("gets its certificates through it", async () => {
    await using manager = new SecretManager({ issue: clientOf().issue });
    expect(await manager.get(id)).toMatchObject({ id });
    service.answer = () => refusal(status.UNAVAILABLE);
    await expect(manager.get(parseSpiffeId("spiffe://cluster.local/ns/default/sa/other"))).rejects.toMatchObject({
      code: "SECRET_UNAVAILABLE",
      cause: { code: "CA_UNAVAILABLE" },
    });
  });
});

describe("a refusal", () => {
  test.each([
    [status.UNAVAILABLE, "CA_UNAVAILABLE", true],
    [status.INTERNAL, "CA_UNAVAILABLE", true],
    [status.RESOURCE_EXHAUSTED, "CA_UNAVAILABLE", true],
    [status.UNAUTHENTICATED, "CA_UNAUTHENTICATED", true],
    [status.INVALID_ARGUMENT, "CA_REFUSED", false],
    [status.PERMISSION_DENIED, "CA_REFUSED", false],
    [status.UNIMPLEMENTED, "CA_REFUSED", false],
  ])("with status %i is %s", async (code, expected, retryable) => {
    service.answer = () => refusal(code, "because of this");
    await expect(clientOf().issue(csrPem, id)).rejects.toMatchObject({
      code: expected,
      retryable,
      message: expect.stringContaining("because of this") as string,
    });
  });

  it("follows from silence after the deadline", async () => {
    service.answer = () => undefined;
    await expect(clientOf({ deadlineMs: 50 }).issue(csrPem, id)).rejects.toMatchObject({
      code: "CA_UNAVAILABLE",
      details: { status: "DEADLINE_EXCEEDED" },
    });
  });

  it("follows from an abort, before and during the call", async () => {
    const client = clientOf();
    await expect(client.issue(csrPem, id, AbortSignal.abort())).rejects.toMatchObject({ code: "ABORTED" });
    const abort = new AbortController();
    service.answer = () => {
      abort.abort();
      return undefined;
    };
    await expect(client.issue(csrPem, id, abort.signal)).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe("an answer", () => {
  const other = parseSpiffeId("spiffe://cluster.local/ns/default/sa/other");

  test.each<[string, () => Promise<readonly string[]>, string]>([
    ["without anything", async () => [], "0 elements"],
    ["without roots", async () => (await service.authority.sign({ csrPem, id })).chain.slice(0, 1), "1 elements"],
    [
      "for somebody else",
      async () => (await service.authority.sign({ csrPem, id: other })).chain,
      `it is for ${other}`,
    ],
    [
      "for another key",
      async () => (await service.authority.sign({ csrPem: (await createCsr({ id })).csrPem, id })).chain,
      "another key",
    ],
    ["that is no certificate", async () => ["x", "y"], "0 certificates"],
    ["that is an authority", async () => [material.rootsPem, material.rootsPem], "no URI"],
  ])("%s is refused", async (_what, make, problem) => {
    const chain = await make();
    service.answer = () => chain;
    await expect(clientOf().issue(csrPem, id)).rejects.toMatchObject({
      code: "CA_ANSWER_INVALID",
      message: expect.stringContaining(problem) as string,
    });
  });

  it("above a megabyte is refused", async () => {
    service.answer = () => ["x".repeat(1024 * 1024 + 1)];
    await expect(clientOf().issue(csrPem, id)).rejects.toMatchObject({ code: "CA_UNAVAILABLE" });
  });
});

describe("the service's certificate", () => {
  it("must name the host, or the other name that was agreed on", async () => {
    await using named = await new CertificateService(material).listen(["istiod.istio-system.svc"]);
    const address = `https://localhost:${named.port}`;
    await expect(clientOf({ address, deadlineMs: 1000 }).issue(csrPem, id)).rejects.toMatchObject({
      code: "CA_UNAVAILABLE",
    });
    const wrong = clientOf({ address, alternativeHostname: "elsewhere.svc", deadlineMs: 1000 });
    await expect(wrong.issue(csrPem, id)).rejects.toMatchObject({ code: "CA_UNAVAILABLE" });
    expect(named.calls).toEqual([]);
    const right = clientOf({ address, alternativeHostname: "istiod.istio-system.svc" });
    expect(await right.issue(csrPem, id)).toHaveLength(2);
  });

  it("must lead to the roots", async () => {
    const stranger = await createRoot("cluster.local", EC);
    const client = clientOf({ rootCa: { pem: stranger.rootsPem }, token: { value: "secret" }, deadlineMs: 1000 });
    await expect(client.issue(csrPem, id)).rejects.toMatchObject({ code: "CA_UNAVAILABLE" });
    expect(service.calls).toEqual([]);
    const system = clientOf({ rootCa: { system: true }, deadlineMs: 1000 });
    await expect(system.issue(csrPem, id)).rejects.toMatchObject({ code: "CA_UNAVAILABLE" });
  });
});

describe("roots in a file", () => {
  it("are looked at before each request; one channel serves until they change", async () => {
    const file = join(folder, "root-cert.pem");
    const next = await createRoot("next", EC);
    const client = clientOf({ rootCa: { file }, deadlineMs: 1000 });
    await expect(client.issue(csrPem, id)).rejects.toMatchObject({
      code: "CA_CREDENTIALS_UNREADABLE",
      retryable: true,
    });
    await writeFile(file, material.rootsPem);
    await Promise.all([client.issue(csrPem, id), client.issue(csrPem, id), client.issue(csrPem, id)]);

    await writeFile(file, "broken");
    expect(await client.issue(csrPem, id)).toHaveLength(2);
    expect(warnings.at(-1)).toContain("the old ones stay");

    await writeFile(file, withRoots(next, material.rootsPem).rootsPem);
    expect(await client.issue(csrPem, id)).toHaveLength(2);
    await writeFile(file, next.rootsPem);
    await expect(client.issue(csrPem, id)).rejects.toMatchObject({ code: "CA_UNAVAILABLE" });
  });
});

describe("the catalogue", () => {
  it("has a sentence for each code", () => {
    for (const sentence of Object.values(caErrors.codes)) expect(sentence).toMatch(/^[A-Z].*\.$/);
  });
});
