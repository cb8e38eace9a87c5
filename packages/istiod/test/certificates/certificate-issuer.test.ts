// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import { IstioCertificateRequestSchema, type IstioCertificateRequest } from "@ambientmesh/api/ca";
import { noMetrics, silentLogger, systemClock } from "@ambientmesh/core";
import { createCsr, formatSpiffeId, parseCertificates, svidFromIssuedChain } from "@ambientmesh/spiffe";
import { createTestAuthority } from "@ambientmesh/testkit";
import { GRPC_STATUS, type CallInfo } from "@ambientmesh/xds";
import { describe, expect, it, test } from "vitest";
import type { Authentication, Caller } from "../../src/authentication/caller.ts";
import {
  CertificateIssuer,
  type CertificateIssuerDeps,
  type Issuance,
} from "../../src/certificates/certificate-issuer.ts";
import { certificateMetrics } from "../../src/certificates/certificate-metrics.ts";

const ID = formatSpiffeId({ trustDomain: "td", namespace: "mesh", serviceAccount: "ztunnel" });
const WEB = formatSpiffeId({ trustDomain: "td", namespace: "shop", serviceAccount: "web" });
const CALLER: Caller = { by: "token", id: ID, namespace: "mesh", serviceAccount: "ztunnel", pod: undefined };
const CALL: CallInfo = { peerAddress: "127.0.0.1:1", peerCertificate: undefined, metadata: () => undefined };

async function issuerWith(change: Partial<CertificateIssuerDeps> = {}): Promise<CertificateIssuer> {
  const { authority } = await createTestAuthority({ trustDomain: "td" });
  return new CertificateIssuer({
    logger: silentLogger,
    metrics: certificateMetrics(noMetrics),
    calls: { authenticate: async () => ({ kind: "authenticated", caller: CALLER }) },
    nodes: { authorize: () => ({ kind: "allowed", id: WEB }) },
    authority,
    ...change,
  });
}

type Change = Partial<Pick<IstioCertificateRequest, "csr" | "validityDuration" | "metadata">>;

async function requestFor(change: Change = {}, id = ID) {
  const { csrPem, privateKey } = await createCsr({ id });
  return { privateKey, request: create(IstioCertificateRequestSchema, { csr: csrPem, ...change }) };
}

function chainOf(issuance: Issuance): readonly string[] {
  if (issuance.kind === "failed") throw new Error(issuance.status.message);
  return issuance.chain;
}

const lifetimeOf = (chain: readonly string[]): number => {
  const [leaf] = parseCertificates(chain[0] ?? "", "the leaf");
  return Math.round(((leaf?.notAfterMs ?? 0) - systemClock.now()) / 1000);
};

describe("a certificate", () => {
  it("names the caller, whatever the request says", async () => {
    const { request, privateKey } = await requestFor({}, WEB);
    const chain = chainOf(await (await issuerWith()).issue(CALL, request));
    expect(chain).toHaveLength(2);
    expect(svidFromIssuedChain({ id: ID, chain, privateKey }).id).toBe(ID);
  });

  it("names the impersonated identity if the node may have it", async () => {
    const { request, privateKey } = await requestFor({ metadata: { ImpersonatedIdentity: WEB } });
    const chain = chainOf(await (await issuerWith()).issue(CALL, request));
    expect(svidFromIssuedChain({ id: WEB, chain, privateKey }).id).toBe(WEB);
  });

  test.each([
    [0n, 86_400],
    [-5n, 86_400],
    [60n, 60],
    [7_776_000n, 7_776_000],
  ])("asked for %d s lives %d s", async (validityDuration, seconds) => {
    const { request } = await requestFor({ validityDuration });
    const lifetime = lifetimeOf(chainOf(await (await issuerWith()).issue(CALL, request)));
    expect(Math.abs(lifetime - seconds)).toBeLessThanOrEqual(5);
  });
});

describe("a request is refused", () => {
  const refused: Authentication = { kind: "refused", reason: "no token" };
  const unavailable: Authentication = { kind: "unavailable", error: new Error("no API server") };
  test.each<[string, Change, Partial<CertificateIssuerDeps>, { code: number; message: string }]>([
    [
      "from nobody",
      {},
      { calls: { authenticate: async () => refused } },
      { code: GRPC_STATUS.UNAUTHENTICATED, message: "request authenticate failure" },
    ],
    [
      "while nobody can be asked",
      {},
      { calls: { authenticate: async () => unavailable } },
      { code: GRPC_STATUS.UNAVAILABLE, message: "callers can't be authenticated now" },
    ],
    [
      "for a foreign identity, with a message that tells nothing",
      { metadata: { ImpersonatedIdentity: WEB } },
      { nodes: { authorize: () => ({ kind: "refused", reason: "secret" }) } },
      { code: GRPC_STATUS.UNAUTHENTICATED, message: "request impersonation authentication failure" },
    ],
    [
      "for an identity that is no text",
      { metadata: { ImpersonatedIdentity: 5 } },
      {},
      { code: GRPC_STATUS.INVALID_ARGUMENT, message: "ImpersonatedIdentity is no text" },
    ],
    [
      "for too long",
      { validityDuration: 7_776_001n },
      {},
      { code: GRPC_STATUS.INVALID_ARGUMENT, message: expect.stringContaining("7776000 s is the longest") as string },
    ],
    [
      "for longer than numbers go",
      { validityDuration: 2n ** 62n },
      {},
      { code: GRPC_STATUS.INVALID_ARGUMENT, message: expect.stringContaining("7776000 s is the longest") as string },
    ],
    [
      "with nonsense",
      { csr: "nonsense" },
      {},
      { code: GRPC_STATUS.INVALID_ARGUMENT, message: expect.stringContaining("was refused") as string },
    ],
    [
      "when signing fails, without telling why",
      {},
      { authority: { sign: async () => Promise.reject(new Error("secret")) } },
      { code: GRPC_STATUS.INTERNAL, message: "the certificate could not be signed" },
    ],
  ])("%s", async (_what, change, deps, status) => {
    const { request } = await requestFor(change);
    expect(await (await issuerWith(deps)).issue(CALL, request)).toEqual({ kind: "failed", status });
  });

  it("when a thousand others are being worked on", async () => {
    const blocked = Promise.withResolvers<Authentication>();
    const issuer = await issuerWith({ calls: { authenticate: () => blocked.promise } });
    const { request } = await requestFor();
    const waiting = Array.from({ length: 1000 }, () => issuer.issue(CALL, request));
    expect(await issuer.issue(CALL, request)).toMatchObject({ status: { code: GRPC_STATUS.RESOURCE_EXHAUSTED } });
    blocked.resolve(refused);
    await Promise.all(waiting);
    expect(await issuer.issue(CALL, request)).toMatchObject({ status: { code: GRPC_STATUS.UNAUTHENTICATED } });
  });
});
